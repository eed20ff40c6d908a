"""Rotary settings as config.json states them, in the layouts of several generations of transformers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, lt=1e12, allow_inf_nan=False)]
Length = Annotated[int, Field(gt=0, le=2**31)]
Divisors = Annotated[tuple[Positive, ...], Field(max_length=2048)]

_NEED_FACTOR = ("linear", "dynamic", "llama3")


class RopeParameters(BaseModel):
    """Rotary settings, as transformers 5 nests them and as ``rope_scaling`` had them before.

    ``alpha`` makes a dynamic rope fixed: the base is enlarged once, by ``alpha ** (n / (n - 2))`` for ``n`` rotated
    numbers. ``short_factor`` and ``long_factor`` divide the frequencies of LongRoPE; a checkpoint may hold them as
    tensors instead. ``factor`` None is the ratio of the context to the one trained with. ``proportional`` rotates the
    first numbers of each half of a head, as slowly as if it rotated them all.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    rope_type: Literal["default", "linear", "dynamic", "llama3", "yarn", "longrope", "proportional"] = "default"
    rope_theta: Positive = 10_000.0
    partial_rotary_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    factor: Annotated[float, Field(ge=1, lt=1e6)] | None = None
    alpha: Positive | None = None
    original_max_position_embeddings: Length | None = None
    low_freq_factor: Positive = 1.0
    high_freq_factor: Positive = 4.0
    beta_fast: Positive = 32.0
    beta_slow: Positive = 1.0
    attention_factor: Positive | None = None
    mscale: Annotated[float, Field(ge=0, lt=1e3)] | None = None
    mscale_all_dim: Annotated[float, Field(ge=0, lt=1e3)] | None = None
    llama_4_scaling_beta: Positive | None = None
    truncate: bool = True
    short_factor: Divisors | None = None
    long_factor: Divisors | None = None

    def rotary_dim(self, head_dim: int) -> int:
        """How many numbers of a head are rotated."""
        return int(head_dim * self.partial_rotary_factor)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.rope_type in _NEED_FACTOR and self.factor is None:
            raise ValueError(f"rope_type {self.rope_type} needs a factor")
        if self.rope_type == "llama3" and self.low_freq_factor >= self.high_freq_factor:
            raise ValueError("low_freq_factor must be less than high_freq_factor")
        if self.rope_type in ("yarn", "longrope", "dynamic") and self.rope_theta <= 1:
            raise ValueError(f"rope_type {self.rope_type} needs a rope_theta above 1")
        return self

    def check(self, head_dim: int) -> None:
        """Raise ValueError when the settings do not fit heads of ``head_dim`` numbers."""
        rotary = self.rotary_dim(head_dim)
        if rotary < 2 or rotary % 2 or (self.rope_type == "dynamic" and rotary == 2):
            raise ValueError(f"rope_parameters would rotate {rotary} of a head's {head_dim} numbers")
        for name in ("short_factor", "long_factor"):
            given = getattr(self, name)
            if given is not None and len(given) != rotary // 2:
                raise ValueError(f"rope_parameters.{name} has {len(given)} entries, the heads need {rotary // 2}")


def rope_tables(known: dict[str, Any], default: RopeParameters) -> dict[str, Any]:
    """``rope_parameters`` and, when sliding layers have their own, ``sliding_rope_parameters``.

    Reads one table for all layers, one per layer type, or the older ``rope_scaling`` with ``rope_theta`` and
    ``rope_local_base_freq`` beside it. Values of a wrong type are passed on for the schema to refuse.
    """
    found = known.get("rope_parameters") or known.get("rope_scaling") or {}
    if not isinstance(found, dict):
        return {"rope_parameters": found}
    sliding = known.get("sliding_rope_parameters")
    if "full_attention" in found or "sliding_attention" in found:
        sliding = found.get("sliding_attention") or sliding
        found = found.get("full_attention") or {}
    elif sliding is None and known.get("rope_local_base_freq") is not None:
        sliding = {"rope_theta": known["rope_local_base_freq"]}
    tables = {"rope_parameters": _table(found, known, default)}
    if sliding is not None:
        tables["sliding_rope_parameters"] = _table(sliding, {}, RopeParameters())
    return tables


def _table(nested: Any, known: dict[str, Any], default: RopeParameters) -> Any:
    if not isinstance(nested, dict):
        return nested
    table = {key: value for key, value in nested.items() if value is not None}
    table.setdefault("rope_type", table.get("type", "default"))
    if table["rope_type"] == "su" or (table["rope_type"] == "yarn" and "short_factor" in table):
        table["rope_type"] = "longrope"  # its names before it was published
    for name in ("rope_theta", "partial_rotary_factor"):
        if known.get(name) is not None:
            table.setdefault(name, known[name])
        table.setdefault(name, getattr(default, name))
    trained = known.get("original_max_position_embeddings")
    if trained is not None and table["rope_type"] in ("llama3", "yarn", "longrope"):
        table["original_max_position_embeddings"] = trained
    return table
