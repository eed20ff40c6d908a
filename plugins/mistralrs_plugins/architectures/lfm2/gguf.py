"""LFM2 in GGUF, where the feed-forward width is what it is."""

from mistralrs.modelkit.state_gguf import CONV_CONFIG, CONV_TENSORS, StateGgufMap

GGUF = StateGgufMap(config=CONV_CONFIG, tensors=CONV_TENSORS, constants={"block_auto_adjust_ff_dim": False})
