"""What files of SmolLM3 say; in GGUF neighbours rotate together."""

from mistralrs.modelkit.config import CausalConfig, RopeParameters, Size
from mistralrs.modelkit.gguf import GgufMap


class SmolLM3Config(CausalConfig):
    """config.json with the defaults of SmolLM3; ``no_rope_layers`` has a zero for each layer without positions."""

    rope_parameters: RopeParameters = RopeParameters(rope_theta=2_000_000)
    tie_word_embeddings: bool = True
    no_rope_layers: tuple[int, ...] | None = None
    no_rope_layer_interval: Size = 4

    def rotates(self, layer: int) -> bool:
        """Whether a layer has a rotary embedding."""
        listed = self.no_rope_layers or ()
        return bool(listed[layer]) if layer < len(listed) else bool((layer + 1) % self.no_rope_layer_interval)


GGUF = GgufMap(constants={"rope_style": "adjacent"})
