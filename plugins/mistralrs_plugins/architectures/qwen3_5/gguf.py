"""Qwen 3.5 in GGUF: one is added to the weights of norms, and value heads take their keys in turns."""

from mistralrs.modelkit.state_gguf import DELTA_CONFIG, DELTA_TENSORS, StateGgufMap

GGUF = StateGgufMap(config=DELTA_CONFIG, tensors=DELTA_TENSORS, constants={"norm_offset": 0.0, "heads_in_turns": True})
