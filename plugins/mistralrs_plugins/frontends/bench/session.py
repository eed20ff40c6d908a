"""Loads the model as ``run`` does, and takes the measurements one after the other."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mistralrs.cli.console import ProgressBar
from mistralrs_plugins.frontends.bench.measure import Speed, time_decoding, time_prompts
from mistralrs_plugins.frontends.bench.memory import import_libraries, peak_bytes, resident_bytes
from mistralrs_plugins.frontends.bench.plan import Case, Plan, Prompts

if TYPE_CHECKING:
    from mistralrs.api.engine import LocalEngine
    from mistralrs.checkpoint import Progress
    from mistralrs.cli.context import CliContext
    from mistralrs.cli.options import Sections
    from mistralrs.config.model import ModelSelection
    from mistralrs.plugin.host import PluginHost


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One case and the speed of each iteration."""

    case: Case
    speeds: tuple[Speed, ...]

    @property
    def tokens_per_second(self) -> float:
        """The median: one iteration that something else disturbed does not count."""
        return statistics.median(speed.tokens_per_second for speed in self.speeds)

    @property
    def stddev(self) -> float:
        """Over the iterations as a population, in tokens a second."""
        return statistics.pstdev(speed.tokens_per_second for speed in self.speeds)

    @property
    def latency(self) -> float:
        """Seconds to the first token, or from one to the next: the median."""
        return statistics.median(speed.latency for speed in self.speeds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was measured. ``load_seconds`` is without imports, memory is in bytes."""

    model: str
    lines: tuple[Line, ...]
    iterations: int
    load_seconds: float
    peak_rss_bytes: int
    rss_after_imports_bytes: int


def measure(context: CliContext, sections: Sections, plan: Plan) -> Report:
    """Load the model and measure every case. Raises what loading raises, and UsageError for a case that is too long."""
    with ProgressBar() as progress:
        batched = sections.runtime.max_num_batched_tokens
        plan.check(_context_length(context.host, sections.model, progress), batched)
        import_libraries(context.host)
        from mistralrs.api.engine import LocalEngine

        sections = _sized(sections, plan)
        imported = resident_bytes()
        started = time.perf_counter()
        engine = LocalEngine.open(context.host, *sections, progress=progress, seed=context.seed)
        load_seconds = time.perf_counter() - started
        with engine:
            prompts = Prompts(engine.model.vocab_size)
            lines = tuple(_line(engine, case, plan, prompts, batched, progress) for case in plan.cases())
            return Report(
                model=engine.model.id,
                lines=lines,
                iterations=plan.iterations,
                load_seconds=load_seconds,
                peak_rss_bytes=peak_bytes(),
                rss_after_imports_bytes=imported,
            )


def _context_length(host: PluginHost, selection: ModelSelection, progress: Progress) -> int:
    """The model's context; a download and a refusal happen here, before torch is imported."""
    from mistralrs.loading.inspect import inspect
    from mistralrs.loading.locate import locate
    from mistralrs.loading.presets import with_presets

    selection = with_presets(host.policy, selection)
    return inspect(host, locate(host, selection, progress), selection).context_length


def _sized(sections: Sections, plan: Plan) -> Sections:
    """An engine with room for every sequence, and without reuse of earlier prompts."""
    from mistralrs.config.paged import DEFAULT_CONTEXT, DEFAULT_SEQUENCES

    most = max(plan.concurrencies)
    runtime = sections.runtime.model_copy(update={"max_seqs": most, "prefix_cache_n": 0})
    paged = sections.paged
    if not (paged.context_len or paged.memory_mb or paged.memory_fraction):
        length = max((case.tokens(runtime.max_num_batched_tokens) for case in plan.cases()), default=1)
        if most > DEFAULT_SEQUENCES or length > DEFAULT_CONTEXT:
            paged = paged.model_copy(update={"context_len": most * (length + paged.block_size)})
    return sections._replace(runtime=runtime, paged=paged)


def _line(engine: LocalEngine, case: Case, plan: Plan, prompts: Prompts, batched: int, progress: Progress) -> Line:
    speeds = []
    rounds = plan.warmup + plan.iterations
    label = f"{case.name}, {case.depth} tokens before it, {case.concurrency} at a time"
    for done in range(rounds):
        progress(label, done, rounds, "runs")
        given = [prompts.make(case.prompt) for _ in range(case.concurrency)]
        if case.new:
            speeds.append(time_decoding(engine, given, case.new, case.lead(batched)))
        else:
            speeds.append(time_prompts(engine, given))
    progress(label, rounds, rounds, "runs")
    return Line(case=case, speeds=tuple(speeds[plan.warmup :]))
