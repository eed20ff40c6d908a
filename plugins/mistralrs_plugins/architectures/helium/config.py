"""What files of Helium say."""

from typing import Literal

from mistralrs.modelkit.config import CausalConfig


class HeliumConfig(CausalConfig):
    """config.json with the defaults of Helium."""

    rope_style: Literal["halves", "adjacent"] = "adjacent"
    rms_norm_eps: float = 1e-8
