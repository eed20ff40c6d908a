"""What files of Ministral 3 say; in GGUF neighbours rotate together."""

from collections.abc import Collection, Mapping
from typing import Any

from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.gguf import GgufMap
from mistralrs.modelkit.rope_config import RopeParameters
from mistralrs.modelkit.text_side import text_kind


class Ministral3Config(CausalConfig):
    """config.json with the defaults of Ministral 3."""

    rms_norm_eps: float = 1e-5
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)


GGUF = GgufMap(constants={"rope_style": "adjacent"})


def matches(metadata: Mapping[str, Any], tensors: Collection[str]) -> int:
    """Sure of a file that sees when its text side is Ministral 3; of others nobody else has a claim."""
    return 1 if text_kind(metadata) in (None, "ministral3") else -1
