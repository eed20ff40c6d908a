"""Gemma 3 = Gemma 2 with normed heads instead of soft caps, and windows with a rotary embedding of their own."""

from dataclasses import replace
from functools import partial

from mistralrs.modelkit import DecoderRecipe, gqa, rms, root_of_width, sandwich_norm
from mistralrs.modelkit.encoder import both_sides, no_head

build = DecoderRecipe(attention=partial(gqa, head_norm=rms), layer=sandwich_norm, embed_scale=root_of_width)
embed = replace(build, attention=partial(gqa, head_norm=rms, spec=both_sides()), head=no_head)
