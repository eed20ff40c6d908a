"""Qwen3 = Llama with an RMS norm on every query and key head."""

from dataclasses import replace
from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa, rms
from mistralrs.modelkit.encoder import score_head

build = DecoderRecipe(attention=partial(gqa, head_norm=rms))
classify = replace(build, head=score_head("score"))
