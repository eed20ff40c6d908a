"""A Qwen 3 that is asked whether a text fits a query, and scores by its answer (arXiv 2506.05176)."""

from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa, rms

build = DecoderRecipe(attention=partial(gqa, head_norm=rms))
