"""Gemma in GGUF: converters add one to the weights of norms."""

from mistralrs.modelkit.gguf import GgufMap

GGUF = GgufMap(constants={"norm_offset": 0.0})
