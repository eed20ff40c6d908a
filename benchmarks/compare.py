"""This project beside other engines: the same file, the same work, one after the other in every round.

    python -m benchmarks.compare --setup                          # once: an environment for each peer
    python -m benchmarks.compare [--model FILE.gguf] [--peers llama.cpp transformers mistral.rs] [--rounds 5]
    python -m benchmarks.compare --depth 4096                     # decoding behind a long text

Without --model it is the file of the default model. Ratios are medians over the rounds of ours/theirs, because what
else a machine does falls on both; the figures beside them are medians as well. Exit status 1 with --at-least R when
a ratio is below R.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.contestants import ALL_PEERS, ContestantError, Figures, Task, run_ours

OURS = "ours"
MIB = 2**20

Rounds = Mapping[str, Sequence[Figures]]
"""The figures of every round by contestant."""


def main() -> None:
    """Parse the command line, compare, print."""
    args = _parser().parse_args()
    try:
        if args.setup:
            for name in args.peers:
                print(f"installing {name} ...", file=sys.stderr, flush=True)
                ALL_PEERS[name].install()
            return
        task = Task(
            model=(args.model or default_model()).resolve(),
            threads=args.threads,
            iterations=args.iterations,
            prompt=args.prompt_len,
            new=args.gen_len,
            depth=args.depth,
        )
        rounds = compete(task, shlex.split(args.ours), args.peers, args.rounds)
    except ContestantError as error:
        sys.exit(str(error))
    if args.json:
        print(json.dumps(as_object(task, rounds), indent=2))
    else:
        print(table(task, rounds))
    lowest = min((min(each.values()) for each in ratios(rounds).values()), default=float("inf"))
    if args.at_least is not None and lowest < args.at_least:
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--setup", action="store_true", help="install the peers and end")
    parser.add_argument("--model", type=Path, help="a GGUF file")
    parser.add_argument("--ours", default=f"{shlex.quote(sys.executable)} -m mistralrs", help="our command")
    parser.add_argument("--peers", nargs="*", choices=list(ALL_PEERS), default=["llama.cpp", "transformers"])
    parser.add_argument("--rounds", type=_count, default=3)
    parser.add_argument("--iterations", type=_count, default=3, help="in each round")
    parser.add_argument("--prompt-len", type=_count, default=512)
    parser.add_argument("--gen-len", type=_count, default=128)
    parser.add_argument("--depth", type=int, default=0, help="tokens in the cache before decoding is timed")
    parser.add_argument("--threads", type=_count, default=os.cpu_count() or 1)
    parser.add_argument("--at-least", type=float, metavar="R", help="exit status 1 when a ratio is below")
    parser.add_argument("--json", action="store_true")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def default_model() -> Path:
    """The file of the default model, downloaded if need be."""
    from mistralrs.checkpoint import no_progress
    from mistralrs.config.model import ModelSelection
    from mistralrs.loading.locate import locate
    from mistralrs.plugin.host import PluginHost
    from mistralrs.plugin.policy import load_policy

    return locate(PluginHost(load_policy(None, [])), ModelSelection(), no_progress).weights[0]


def compete(task: Task, ours: Sequence[str], peers: Sequence[str], rounds: int) -> Rounds:
    """Let everybody have a turn in each round. Raises :class:`ContestantError` for one that cannot."""
    seen: dict[str, list[Figures]] = {name: [] for name in (OURS, *peers)}
    for number in range(rounds):
        for name, figures in seen.items():
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            figures.append(run_ours(ours, task) if name == OURS else ALL_PEERS[name].run(task))
    return seen


def median(figures: Sequence[Figures]) -> Figures:
    """Each figure's median."""
    rows = [asdict(each) for each in figures]
    return Figures(**{name: statistics.median(row[name] for row in rows) for name in rows[0]})


def ratios(rounds: Rounds) -> dict[str, dict[str, float]]:
    """Our rates over theirs, by peer: the median of the rounds' ratios."""
    return {
        name: {
            rate: statistics.median(
                getattr(mine, rate) / getattr(other, rate)
                for mine, other in zip(rounds[OURS], rounds[name], strict=True)
            )
            for rate in ("prompt", "decode")
        }
        for name in rounds
        if name != OURS
    }


def as_object(task: Task, rounds: Rounds) -> dict[str, object]:
    """Everything, for ``--json``: what was done and where, every round, medians and ratios."""
    return {
        "machine": {"system": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()},
        "task": {**asdict(task), "model": task.model.name},
        "medians": {name: asdict(median(figures)) for name, figures in rounds.items()},
        "ratios": ratios(rounds),
        "rounds": {name: [asdict(each) for each in figures] for name, figures in rounds.items()},
    }


def table(task: Task, rounds: Rounds) -> str:
    """Medians and ratios as Markdown, to be pasted into docs/benchmarks.md."""
    prompt, decode = f"pp{task.prompt}", f"tg{task.new}" + (f" at {task.depth}" if task.depth else "")
    lines = [
        f"{task.model.name}, {task.threads} threads, {len(rounds[OURS])} rounds of {task.iterations}",
        "",
        f"| | load s | peak MiB | less imports | {prompt} t/s | {decode} t/s | ours/it: {prompt} | {decode} |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    shares = ratios(rounds)
    for name, figures in rounds.items():
        each = median(figures)
        memory = f"{each.peak / MIB:.0f} | {(each.peak - each.imports) / MIB:.0f}"
        share = shares.get(name)
        ours = f"{share['prompt']:.2f} | {share['decode']:.2f}" if share else "|"
        lines.append(f"| {name} | {each.load:.2f} | {memory} | {each.prompt:.1f} | {each.decode:.1f} | {ours} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
