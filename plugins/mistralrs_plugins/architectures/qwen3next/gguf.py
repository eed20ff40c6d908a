"""Qwen 3 Next in GGUF: value heads that share a key are neighbours."""

from dataclasses import replace

from mistralrs.modelkit.state_gguf import DELTA_MOE

GGUF = replace(DELTA_MOE, constants={**DELTA_MOE.constants, "heads_in_turns": False})
