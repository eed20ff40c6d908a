"""What files of Apertus say; GGUF has the activation's numbers in its metadata."""

from typing import Literal

from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.gguf import GgufMap

Numbers = tuple[float, ...] | None
KEYS = {f"xielu_{name}": f"xielu.{name}" for name in ("alpha_p", "alpha_n", "beta", "eps")}


class ApertusConfig(CausalConfig):
    """config.json with the defaults of Apertus. ``xielu_*`` have one number for each layer."""

    hidden_act: Literal["xielu"] = "xielu"  # type: ignore[assignment]
    rms_norm_eps: float = 1e-5
    xielu_alpha_p: Numbers = None
    xielu_alpha_n: Numbers = None
    xielu_beta: Numbers = None
    xielu_eps: Numbers = None


GGUF = GgufMap(config=KEYS, tensors={"attention_layernorm": "attn_norm", "feedforward_layernorm": "ffn_norm"})
