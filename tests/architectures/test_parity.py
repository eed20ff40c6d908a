"""Every architecture equals transformers on a tiny random checkpoint, however its tokens are fed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from cases import CASES, SIZES, Case, text_of
from dense_cases import DENSE_CASES
from shared_cases import SHARED_CASES
from state_cases import STATE_CASES

from mistralrs.layouts import F32
from mistralrs.ops import record
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.testing.paged import PagedModel
from mistralrs.weights import DictSource, MetaSource, WeightBuilder

TOLERANCE = 1e-4
SCALES = (".D", "A_log", "layer_scalar", "output_scale", "router.scale", "expert_scale")


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost(Policy())


@pytest.fixture(scope="module", params=[*CASES, *DENSE_CASES, *SHARED_CASES, *STATE_CASES], ids=lambda case: case.id)
def pair(request: pytest.FixtureRequest, host: PluginHost) -> tuple[Any, Any, dict[str, Any]]:
    """The reference model, our spec, and the configuration both were made from."""
    case: Case = request.param
    sizes = {} if "text_config" in case.extra else SIZES
    config = getattr(transformers, case.config)(**{**sizes, **case.extra})
    torch.manual_seed(7)
    reference = getattr(transformers, case.key)._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in [*reference.named_parameters(), *reference.named_buffers()]:
            # Ones and zeros would hide a weight that is not applied.
            hiding = any(part in name for part in ("norm", "bias", "ln_")) or name.endswith(SCALES)
            if hiding and parameter.is_floating_point():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return reference, host.resolve("architecture", case.key), {**config.get_text_config().to_dict(), **case.extra}


def ours(pair: tuple[Any, Any, dict[str, Any]], **kwargs: Any) -> PagedModel:
    reference, spec, config = pair
    return PagedModel(spec, config, DictSource(text_of(reference)), **kwargs)


def prompt(seed: int, length: int) -> list[int]:
    return torch.randint(0, SIZES["vocab_size"], (length,), generator=torch.Generator().manual_seed(seed)).tolist()


@torch.inference_mode()
def expected(pair: tuple[Any, Any, dict[str, Any]], ids: list[int]) -> torch.Tensor:
    logits: torch.Tensor = pair[0](torch.tensor([ids])).logits[0]
    return logits


def close(actual: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(actual, wanted, rtol=0, atol=TOLERANCE)


def test_whole_prompt(pair: Any) -> None:
    ids = prompt(0, 21)
    close(ours(pair).step({"a": ids})["a"], expected(pair, ids))


def test_token_by_token(pair: Any) -> None:
    ids, model = prompt(1, 13), ours(pair)
    parts = [model.step({"a": [token]})["a"] for token in ids]
    close(torch.cat(parts), expected(pair, ids))


def test_chunks_beside_ragged_neighbours(pair: Any) -> None:
    model = ours(pair)
    a, b, c = prompt(2, 17), prompt(3, 9), prompt(4, 11)
    steps = [
        {"a": a[:5], "b": b[:1]},
        {"b": b[1:8], "c": c[:2], "a": a[5:6]},
        {"c": c[2:3], "a": a[6:7], "b": b[8:9]},
        {"a": a[7:], "c": c[3:]},
    ]
    seen: dict[str, list[torch.Tensor]] = {"a": [], "b": [], "c": []}
    for step in steps:
        for name, logits in model.step(step).items():
            seen[name].append(logits)
    for name, ids in (("a", a), ("b", b), ("c", c)):
        close(torch.cat(seen[name]), expected(pair, ids))


def test_recomputed_after_preemption(pair: Any) -> None:
    model, ids = ours(pair), prompt(5, 14)
    model.step({"a": ids[:9], "b": prompt(6, 7)})
    model.forget("a")
    model.step({"c": prompt(8, 10)})
    close(model.step({"a": ids})["a"], expected(pair, ids))


def test_a_recorded_step_plays_back_on_other_shapes(pair: Any) -> None:
    model = ours(pair)
    with torch.inference_mode():
        constants = [*model.module.buffers(), *model.module.parameters()]
        recording, first = record(model.module, model.context({"a": prompt(0, 4)}), constants)
        close(first, expected(pair, prompt(0, 4)))
        played = recording.play(model.context({"b": prompt(9, 12), "c": prompt(10, 3)}))
    close(played, torch.cat([expected(pair, prompt(9, 12)), expected(pair, prompt(10, 3))]))


def test_every_tensor_is_used(pair: Any) -> None:
    model = ours(pair)
    source = model.builder.source
    assert isinstance(source, DictSource)
    assert set(source.unread()) <= {"lm_head.weight"}
    assert not source.unread() or model.config.tie_word_embeddings


def test_bfloat16_is_finite_and_close(pair: Any) -> None:
    ids = prompt(11, 12)
    reference = expected(pair, ids)
    half = ours(pair, dtype=torch.bfloat16).step({"a": ids})["a"]
    assert half.dtype == torch.float32
    assert half.isfinite().all()
    assert (half - reference).abs().mean() < 0.05 * reference.abs().mean() + 0.05


def test_a_shape_only_build_takes_no_memory(pair: Any) -> None:
    _, spec, config = pair
    meta = torch.device("meta")
    wb = WeightBuilder(MetaSource(dict.fromkeys(text_of(pair[0]), F32)), device=meta)
    parsed = spec.config.load().model_validate(config)
    model = spec.build.load()(parsed, wb)
    assert all(buffer.is_meta for name, buffer in model.named_buffers() if "inv_freq" not in name)
    names = [request.name for request in wb.log]
    assert len(names) == len(set(names)), "a tensor was asked for twice"
    assert {request.layer for request in wb.log} == {None, *range(parsed.num_hidden_layers)}
