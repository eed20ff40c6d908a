"""What config.json says; logits are multiplied by ``logits_scaling`` here."""

from mistralrs.modelkit.config import ScaledConfig


class HyperClovaConfig(ScaledConfig):
    """config.json with the defaults of HyperCLOVA X."""

    use_post_norm: bool = True
