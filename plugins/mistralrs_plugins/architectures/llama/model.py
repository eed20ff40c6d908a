"""Llama: the plain decoder, every part as the kit has it."""

from mistralrs.modelkit import DecoderRecipe

build = DecoderRecipe()
