"""Llama in GGUF: converters reorder the rows of queries and keys, so that neighbours rotate together."""

from mistralrs.modelkit.gguf import GgufMap

GGUF = GgufMap(constants={"rope_style": "adjacent"})
