"""How the engine runs: limits of its scheduler, prefix reuse, threads."""

from __future__ import annotations

from pydantic import Field, field_validator

from mistralrs.config.section import Section


class RuntimeConfig(Section):
    """Limits of one engine.

    ``max_num_batched_tokens`` is the token budget of one step; waiting prompts are let in at every step, beside the
    running answers, which wait as long as a step takes: on two cores 512 tokens take a second, the original's 4096
    eight.
    ``prefix_cache_n`` 0 turns prefix reuse off. ``threads`` None takes one thread for each core.
    """

    max_seqs: int = Field(default=32, ge=1)
    max_num_batched_tokens: int = Field(default=512, ge=1)
    prefix_cache_n: int = Field(default=16, ge=0)
    no_kv_cache: bool = False
    threads: int | None = Field(default=None, ge=1)

    @field_validator("no_kv_cache")
    @classmethod
    def _keep_the_cache(cls, value: bool) -> bool:
        if value:
            raise ValueError(
                "running without a KV cache is not supported: the paged cache is what requests are batched over; "
                "a prefix_cache_n of 0 keeps requests from sharing it"
            )
        return value
