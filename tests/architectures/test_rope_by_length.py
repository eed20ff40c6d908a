"""Rotary embeddings that depend on the length: fixed for each request by its limit, whichever way tokens are fed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from cases import SIZES

from mistralrs.errors import EngineError
from mistralrs.layers import LongAngles, Rope
from mistralrs.ops import record
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.testing.paged import PagedModel
from mistralrs.weights import DictSource

TRAINED = 16
SHORT, LONG = 12, 30
LONGROPE = {
    "max_position_embeddings": 4 * TRAINED,
    "original_max_position_embeddings": TRAINED,
    "rope_parameters": {
        "rope_type": "longrope",
        "rope_theta": 10_000.0,
        "short_factor": [1.0, 1.1, 1.3, 1.6],
        "long_factor": [1.0, 2.0, 4.0, 9.0],
    },
}
DYNAMIC = {
    "max_position_embeddings": TRAINED,
    "rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10_000.0},
}


class Pair:
    """Both sides of one configuration."""

    def __init__(self, key: str, config: str, extra: dict[str, Any]) -> None:
        self.key = key
        self.config = getattr(transformers, config)(**{**SIZES, **extra})
        torch.manual_seed(7)
        self.state = dict(self.reference().state_dict())

    def reference(self) -> Any:
        """A new one each time: it remembers the longest sequence it has seen."""
        return getattr(transformers, self.key)._from_config(self.config, attn_implementation="eager").eval()

    @torch.inference_mode()
    def expected(self, ids: list[int]) -> torch.Tensor:
        model = self.reference()
        model.load_state_dict(self.state)
        logits: torch.Tensor = model(torch.tensor([ids])).logits[0]
        return logits

    def ours(self, **limits: int) -> PagedModel:
        spec = PluginHost(Policy()).resolve("architecture", self.key)
        model = PagedModel(spec, self.config.to_dict(), DictSource(self.state))
        model.limit = dict(limits)
        return model


@pytest.fixture(
    scope="module",
    params=[("Phi3ForCausalLM", "Phi3Config", LONGROPE), ("LlamaForCausalLM", "LlamaConfig", DYNAMIC)],
    ids=["longrope", "dynamic"],
)
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(*request.param)


def prompt(seed: int, length: int) -> list[int]:
    return torch.randint(0, SIZES["vocab_size"], (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def close(actual: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(actual, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("length", [SHORT, TRAINED, TRAINED + 1, LONG])
def test_a_whole_prompt_equals_transformers_at_that_length(pair: Pair, length: int) -> None:
    ids = prompt(0, length)
    close(pair.ours(a=length).step({"a": ids})["a"], pair.expected(ids))


def test_the_limit_matters(pair: Pair) -> None:
    ids = prompt(0, SHORT)
    short, long = (pair.ours(a=limit).step({"a": ids})["a"] for limit in (SHORT, LONG))
    assert (short - long).abs().max() > 1e-2


def test_every_way_of_feeding_crosses_the_threshold_alike(pair: Pair) -> None:
    ids = prompt(1, LONG)
    wanted = pair.expected(ids)
    model = pair.ours(a=LONG)
    close(torch.cat([model.step({"a": [token]})["a"] for token in ids]), wanted)
    model.forget("a")
    close(torch.cat([model.step({"a": ids[at : at + 7]})["a"] for at in range(0, LONG, 7)]), wanted)


def test_neighbours_keep_their_own_limits(pair: Pair) -> None:
    a, b = prompt(2, SHORT), prompt(3, LONG)
    model = pair.ours(a=SHORT, b=LONG)
    first = model.step({"a": a[:5], "b": b[:9]})
    second = model.step({"b": b[9:], "a": a[5:]})
    close(torch.cat([first["a"], second["a"]]), pair.expected(a))
    close(torch.cat([first["b"], second["b"]]), pair.expected(b))


def test_a_recorded_step_takes_limits_anew(pair: Pair) -> None:
    model = pair.ours(a=SHORT, b=LONG)
    with torch.inference_mode():
        constants = [*model.module.buffers(), *model.module.parameters()]
        recording, _ = record(model.module, model.context({"a": prompt(4, SHORT)}), constants)
        ids = prompt(5, LONG)
        close(recording.play(model.context({"b": ids})), pair.expected(ids))


def test_classes_say_which_limits_share_cached_keys(pair: Pair) -> None:
    module = pair.ours().module
    assert module.length_class(SHORT) == module.length_class(TRAINED)
    assert module.length_class(TRAINED) != module.length_class(LONG)


def test_plain_positions_have_one_class() -> None:
    module = Pair("LlamaForCausalLM", "LlamaConfig", {}).ours().module
    assert module.length_class(1) == module.length_class(10**6)


def test_a_step_without_limits_is_refused(pair: Pair) -> None:
    model = pair.ours()
    step = model.context({"a": [1, 2]})
    step.meta = replace(step.meta, limits=None)
    with pytest.raises(EngineError, match="how long a request may become"):
        model.module(step)


def test_a_copy_on_another_device_is_shared() -> None:
    freq = torch.ones(2)
    rope, meta = Rope(LongAngles(freq, freq, 8, 1.0), 4), torch.device("meta")
    assert rope.on(torch.device("cpu")) is rope
    assert rope.on(meta) is rope.on(meta)
    assert all(buffer.is_meta for buffer in rope.on(meta).buffers())
    assert not any(buffer.is_meta for buffer in rope.buffers())
