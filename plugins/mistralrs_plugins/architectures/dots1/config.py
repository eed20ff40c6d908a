"""What files of dots.llm1 say."""

from typing import Literal

from mistralrs.modelkit.config import Count
from mistralrs.modelkit.experts_config import MoeConfig


class Dots1Config(MoeConfig):
    """config.json with the defaults of dots.llm1."""

    scoring_func: Literal["softmax", "sigmoid", "sparsemixer"] = "sigmoid"
    group_best: Count = 2
