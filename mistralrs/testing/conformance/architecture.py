"""The exam of architectures: one model, however its tokens are fed, wherever and in whatever precision it runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from mistralrs.devices.plan import DevicePlan
from mistralrs.errors import ModelFormatError, PluginError
from mistralrs.kvcache.paged import bytes_per_state
from mistralrs.layouts import F32
from mistralrs.ops import Program, RecordingRefused, Slot, record
from mistralrs.plugin import ArchitectureSpec
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.conformance.base import PluginConformance
from mistralrs.testing.paged import CountingOps, PagedModel
from mistralrs.testing.quantized import EightBitSource
from mistralrs.testing.tiny import random_tensors, tiny_config
from mistralrs.weights import DictSource, MetaSource, Sizes, WeightBuilder, measure

Make = Callable[..., PagedModel]


class ArchitectureConformance(PluginConformance):
    """Everything comes from the declaration, ``tiny`` above all.

    ``changes`` are added to its tiny config, to test a variant; ``tolerance`` is the largest difference between two
    ways of computing the same logits in float32.
    """

    changes: ClassVar[Mapping[str, Any]] = {}
    tolerance: ClassVar[float] = 1e-4

    @pytest.fixture(scope="class")
    @classmethod
    def config(cls, spec: ArchitectureSpec) -> dict[str, Any]:
        """The tiny config.json."""
        return tiny_config(spec, **cls.changes)

    @pytest.fixture(scope="class")
    @classmethod
    def tensors(cls, spec: ArchitectureSpec, config: dict[str, Any]) -> dict[str, Tensor]:
        """Random weights."""
        return random_tensors(spec, config)

    @pytest.fixture
    def make(self, spec: ArchitectureSpec, config: dict[str, Any], tensors: dict[str, Tensor]) -> Make:
        """Builds the model; takes the keyword arguments of :class:`PagedModel`."""

        def build(**options: Any) -> PagedModel:
            return PagedModel(spec, config, DictSource(tensors), **options)

        return build

    def prompt(self, model: PagedModel, seed: int, length: int) -> list[int]:
        """Random tokens."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, model.config.vocab_size, (length,), generator=generator).tolist()

    def close(self, actual: Tensor, expected: Tensor) -> None:
        """Compare two computations of the same logits."""
        torch.testing.assert_close(actual, expected, rtol=0, atol=self.tolerance)

    def test_unknown_config_keys_are_ignored(self, spec: ArchitectureSpec, config: dict[str, Any]) -> None:
        schema = spec.config.load()
        assert schema.model_validate({**config, "key_of_a_later_release": 1}) == schema.model_validate(config)

    def test_a_missing_config_key_is_named(self, spec: ArchitectureSpec) -> None:
        with pytest.raises(ValidationError) as caught:
            spec.config.load().model_validate({})
        assert all(problem["loc"] for problem in caught.value.errors()), "an error should name its key"

    def test_the_build_can_be_planned(
        self, make: Make, spec: ArchitectureSpec, config: dict[str, Any], tensors: dict[str, Tensor]
    ) -> None:
        """Without memory, and with the sizes that the real build turns out to have."""
        wb = WeightBuilder(MetaSource(dict.fromkeys(tensors, F32)), device=torch.device("meta"))
        spec.build.load()(spec.config.load().model_validate(config), wb)
        assert wb.log == make().builder.log

    def test_every_tensor_is_asked_for_once_by_its_layer(self, make: Make) -> None:
        log = make().builder.log
        names = [request.name for request in log]
        assert len(names) == len(set(names)), "a tensor was asked for twice"
        layers = {request.layer for request in log} - {None}
        assert layers == set(range(len(layers))), "build layers with `wb.each(count)`, so that they know their number"

    def test_every_tensor_of_the_checkpoint_is_used(self, make: Make) -> None:
        source = make().builder.source
        assert isinstance(source, DictSource)
        assert source.unread() == []

    def test_token_by_token_equals_the_whole_prompt(self, make: Make, spec: ArchitectureSpec) -> None:
        _skip_encoders(spec)
        model = make()
        ids = self.prompt(model, 1, 13)
        whole = model.step({"whole": ids})["whole"]
        parts = [model.step({"parts": [token]})["parts"] for token in ids]
        self.close(torch.cat(parts), whole)

    def test_ragged_neighbours_do_not_disturb(self, make: Make, spec: ArchitectureSpec) -> None:
        _skip_encoders(spec)
        model = make()
        ids = {name: self.prompt(model, seed, length) for seed, (name, length) in enumerate(_LENGTHS.items())}
        alone = {name: make().step({name: tokens})[name] for name, tokens in ids.items()}
        seen: dict[str, list[Tensor]] = {name: [] for name in ids}
        for chunk in _CHUNKS:
            for name, logits in model.step(
                {name: ids[name][start:end] for name, (start, end) in chunk.items()}
            ).items():
                seen[name].append(logits)
        for name in ids:
            self.close(torch.cat(seen[name]), alone[name])

    def test_a_step_may_want_no_logits(self, make: Make) -> None:
        """A prompt in pieces: only its last piece is sampled from."""
        model = make()
        step = model.context({"a": self.prompt(model, 7, 6)})
        step.rows = step.rows[:0]
        with torch.inference_mode():
            assert model.module(step).shape[0] == 0

    def test_it_recovers_from_preemption(self, make: Make) -> None:
        model = make()
        ids = self.prompt(model, 5, 14)
        expected = make().step({"a": ids})["a"]
        model.step({"a": ids[:9], "b": self.prompt(model, 6, 7)})
        model.forget("a")
        model.step({"c": self.prompt(model, 8, 10)})
        self.close(model.step({"a": ids})["a"], expected)

    def test_a_recorded_step_plays_back(self, make: Make) -> None:
        model = make()
        short, other = self.prompt(model, 0, 4), self.prompt(model, 9, 12)
        with torch.inference_mode():
            constants = [*model.module.buffers(), *model.module.parameters()]
            try:
                recording, _ = record(model.module, model.context({"a": short}), constants)
            except RecordingRefused as refusal:
                pytest.skip(f"runs through its layers at every step: {refusal}")
            played = recording.play(model.context({"b": other}))
        self.close(played, make().step({"b": other})["b"])

    def test_every_backend_gives_the_same(self, make: Make, host: PluginHost) -> None:
        reference = make()
        ids = self.prompt(reference, 3, 11)
        expected = reference.step({"a": ids})["a"]
        for spec in host.specs("kernels"):
            if "cpu" not in spec.devices or spec.name == "torch":
                continue
            with contextlib.suppress(PluginError):  # a backend that does not load fails its own exam
                backends = [host.make(spec, spec.backend), *reference.table.backends]
                torch.testing.assert_close(
                    make(backends=backends).step({"a": ids})["a"], expected, rtol=0.05, atol=0.05
                )

    @pytest.mark.parametrize("stay", [1, 2], ids=["abab", "aabb"])
    def test_two_devices_give_what_one_gives(
        self, make: Make, spec: ArchitectureSpec, config: dict[str, Any], tensors: dict[str, Tensor], stay: int
    ) -> None:
        """Two places on one CPU: the same logits, as many moves as the plan has borders, and the bytes it states.

        A layer that reads a cache in the other place may move its queries there and back (``crosses``).
        """
        plan, sizes = two_places(spec, config, tensors, stay)
        split, whole = make(plan=plan), make()
        ids = self.prompt(whole, 4, 9)
        step = split.context({"a": ids})
        step.ops = counting = CountingOps(split.table)
        with torch.inference_mode():
            logits = split.module(step)
        assert torch.equal(logits, whole.step({"a": ids})["a"])
        reading = sum(getattr(part, "crosses", False) for part in split.module.modules())
        assert counting.calls["transfer"] == plan.borders + 2 * reading
        caches = list(zip(split.builder.caches, split.builder.cache_slots, strict=True))
        for share in plan.shares(sizes, 1, sequences=3):
            assert share.weights == sum(r.nbytes for r in split.builder.log if r.slot == share.slot)
            own = [kept for kept, slot in caches if slot == share.slot]
            assert share.cache == sum(kept.values_per_token for kept in own) + 3 * bytes_per_state(own)

    def test_two_devices_play_back_compiled(
        self, make: Make, spec: ArchitectureSpec, config: dict[str, Any], tensors: dict[str, Tensor], host: PluginHost
    ) -> None:
        """The second step is what a backend compiled from the first, or its recording."""
        plan, _ = two_places(spec, config, tensors, 1)
        for kernels in host.specs("kernels"):
            if "cpu" not in kernels.devices:
                continue
            with contextlib.suppress(PluginError):  # a backend that does not load fails its own exam
                backends = [host.make(kernels, kernels.backend), *make().table.backends]
                split, whole = make(plan=plan, backends=backends), make(backends=backends)
                # A backend may compile one of them only; then their roundings differ.
                self.close(*[_second_step(model, self.prompt(model, 6, 9)) for model in (split, whole)])

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "f16"])
    def test_half_precision_is_finite_and_near(self, make: Make, spec: ArchitectureSpec, dtype: torch.dtype) -> None:
        reference = make()
        ids = self.prompt(reference, 11, 12)
        expected = reference.step({"a": ids})["a"]
        half = make(dtype=dtype).step({"a": ids})["a"]
        assert half.dtype == torch.float32 or "generate" not in spec.tasks
        half = half.float()
        assert half.isfinite().all()
        assert (half - expected).abs().mean() < 0.05 * expected.abs().mean() + 0.05

    def test_quantized_weights_run(
        self, spec: ArchitectureSpec, config: dict[str, Any], tensors: dict[str, Tensor]
    ) -> None:
        source = EightBitSource(tensors)
        model = PagedModel(spec, config, source)
        ids = self.prompt(model, 2, 9)
        decoded = PagedModel(spec, config, DictSource(source.decoded()))
        self.close(model.step({"a": ids})["a"], decoded.step({"a": ids})["a"])

    def test_gguf_names_are_one_to_one(self, spec: ArchitectureSpec, tensors: dict[str, Tensor]) -> None:
        if spec.gguf is None:
            pytest.skip("reads no GGUF files")
        table = spec.gguf.load()
        stored = [table.rename(name) for name in tensors]
        assert len(set(stored)) == len(stored)
        with pytest.raises(ModelFormatError):
            table.to_config({"general.architecture": "x"}, {})

    def test_it_equals_transformers(self, spec: ArchitectureSpec, config: dict[str, Any]) -> None:
        """On the same random weights, when transformers is installed and knows the class."""
        if "generate" not in spec.tasks:
            pytest.skip("gives no logits of tokens to compare")
        transformers = pytest.importorskip("transformers")
        alone = [name for name in spec.hf_names if not name.endswith("ForConditionalGeneration")]  # no other sides
        known = next((getattr(transformers, name) for name in alone if hasattr(transformers, name)), None)
        if known is None:
            pytest.skip("transformers has no such class")
        torch.manual_seed(7)
        # The defaults of some classes name tokens beyond a tiny vocabulary.
        tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}
        settings = {**tokens, **{key: value for key, value in config.items() if key != "architectures"}}
        reference = known._from_config(known.config_class(**settings), attn_implementation="eager").eval()
        with torch.no_grad():
            for name, parameter in reference.named_parameters():
                if "norm" in name or "bias" in name:
                    parameter.add_(0.3 * torch.randn_like(parameter))
        ours = PagedModel(spec, reference.config.to_dict(), DictSource(published(reference)))
        ids = self.prompt(ours, 0, 21)
        with torch.inference_mode():
            expected = reference(torch.tensor([ids])).logits[0]
        self.close(ours.step({"a": ids})["a"], expected)


def published(reference: Any) -> dict[str, Tensor]:
    """A transformers model's tensors as checkpoints have them, which some releases load under other names."""
    state = dict(reference.state_dict())
    try:
        from transformers.core_model_loading import revert_weight_conversion
    except ImportError:  # before 5.0 the names were the same
        return state
    return dict(revert_weight_conversion(reference, state))


def two_places(
    spec: ArchitectureSpec, config: Mapping[str, Any], tensors: Mapping[str, Tensor], stay: int
) -> tuple[DevicePlan, Sizes]:
    """A plan that changes places every ``stay`` layers, and the sizes of what it places."""
    validated = spec.config.load().model_validate(dict(config))
    sizes = measure(spec.build.load(), validated, MetaSource(dict.fromkeys(tensors, F32)))
    places = [Slot(f"cpu-{name}", torch.device("cpu")) for name in "ab"]
    layers = tuple(places[(layer // stay) % 2] for layer in range(len(sizes.layers)))
    return DevicePlan(places[0], layers), sizes


@torch.inference_mode()
def _skip_encoders(spec: ArchitectureSpec) -> None:
    if "generate" not in spec.tasks:
        pytest.skip("reads a text in one step")


def _second_step(model: PagedModel, ids: list[int]) -> Tensor:
    """Logits of the last of ``ids``, fed in two steps through a program."""
    program = Program(model.module)
    program(model.context({"a": ids[:-1]}))
    return program(model.context({"a": ids[-1:]}))


_LENGTHS = {"a": 17, "b": 9, "c": 11}
_CHUNKS: tuple[dict[str, tuple[int, int]], ...] = (
    {"a": (0, 5), "b": (0, 1)},
    {"b": (1, 8), "c": (0, 2), "a": (5, 6)},
    {"c": (2, 3), "a": (6, 7), "b": (8, 9)},
    {"a": (7, 17), "c": (3, 11)},
)
"""Steps over three sequences: long and short chunks and single tokens side by side."""
