"""This project's server beside llama.cpp's: the same file, the same clients, taking turns in every round.

    python -m benchmarks.compare --setup --peers llama.cpp        # once: the peer's environment
    python -m benchmarks.serving [--model FILE.gguf] [--clients 1 16] [--rounds 3]
    python -m benchmarks.serving --alone                          # this project's only

With one client `mistralrs bench` takes a turn in every round too (:mod:`.bench_turns`): the time between two tokens
beside what it takes for one at the same depth is what HTTP costs. Ratios are medians over the rounds; many short ones
(``--requests 2 --rounds 40``) say more than a few long ones where the machine's speed changes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.compare import default_model
from benchmarks.contestants import ALL_PEERS, PEERS, ContestantError
from benchmarks.load import Load, Throughput, measure

OURS, THEIRS = "ours", "llama.cpp"
START_SECONDS = 60.0
CONTEXT = 1024
WARM_UP = Load(clients=2, requests=2, new=8)


def main() -> None:
    """Parse the command line, start the servers, measure, print."""
    args = _parser().parse_args()
    model = (args.model or default_model()).resolve()
    slots = max(args.clients)
    try:
        with contextlib.ExitStack() as stack:
            ports = {OURS: stack.enter_context(running(_ours(model, slots, args.threads)))}
            if not args.alone:
                ports[THEIRS] = stack.enter_context(running(_theirs(model, slots, args.threads)))
            for clients in args.clients:
                load = Load(clients=clients, requests=max(args.requests * clients // slots, 2), new=args.new)
                beside = stack.enter_context(bench(model, args)) if clients == 1 and args.bench else None
                print(table(load, *compete(ports, load, args.rounds, beside)), flush=True)
    except ContestantError as error:
        sys.exit(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a GGUF file")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--requests", type=int, default=32, help="in each round, of the most clients")
    parser.add_argument("--new", type=int, default=64, help="tokens of each answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--alone", action="store_true", help="without llama.cpp")
    parser.add_argument("--no-bench", dest="bench", action="store_false", help="without the time of one token by bench")
    return parser


def _ours(model: Path, slots: int, threads: int) -> list[str]:
    words = [sys.executable, "-m", "mistralrs", "serve", "-m", str(model), "--disable-access-log", "--port", "PORT"]
    sizes = {"--max-seqs": slots, "--threads": threads, "--pa-context-len": CONTEXT * slots}
    return words + [str(word) for pair in sizes.items() for word in pair]


def _theirs(model: Path, slots: int, threads: int) -> list[str]:
    python = ALL_PEERS[THEIRS].python
    if not python.exists():
        raise ContestantError(f"{THEIRS} is not installed: python -m benchmarks.compare --setup --peers {THEIRS}")
    return [str(python), str(PEERS / "llama_cpp_server.py"), str(model), "PORT", str(slots), str(threads)]


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator[int]:
    """The port of a server that takes requests; ``PORT`` in ``command`` stands for it. It ends with the context."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [str(port) if word == "PORT" else word for word in command]
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=errors) as process,
    ):
        try:
            if not _is_ready(process, port):
                errors.seek(0)
                raise ContestantError(f"{words} takes no requests:\n{errors.read().decode()[-2000:]}")
            measure(port, WARM_UP, seed=-1)
            yield port
        finally:
            process.kill()


def _is_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait for a server; False if there is nothing to wait for."""
    deadline = time.monotonic() + START_SECONDS
    waiting = ["/health/ready", "/health"]  # llama.cpp has the second alone, and means the first
    while waiting and process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}{waiting[-1]}", timeout=5).close()
            waiting.pop()
        except OSError as error:
            if isinstance(error, urllib.error.HTTPError) and error.code == 404:
                waiting.pop()
            time.sleep(0.1)
    return not waiting


def compete(
    ports: Mapping[str, int], load: Load, rounds: int, beside: Callable[[], float] | None = None
) -> tuple[dict[str, list[Throughput]], list[float]]:
    """What each server does in each round, and what ``beside`` returns at the end of each."""
    found: dict[str, list[Throughput]] = {name: [] for name in ports}
    others: list[float] = []
    for number in range(rounds):
        for name, port in ports.items():
            found[name].append(measure(port, load, seed=number))
        if beside is not None:
            others.append(beside())
    return found, others


def table(load: Load, rounds: Mapping[str, Sequence[Throughput]], bench: Sequence[float] = ()) -> str:
    """A table of medians, then the ratios of every round; ``bench`` are seconds of a token without HTTP."""
    lines = [
        f"{load.clients} clients, {load.requests} requests of {load.prompt} words and {load.new} tokens",
        f"{'':10} {'tok/s':>8} {'first ms':>9} {'between ms':>11} {'p99 ms':>8}",
    ]
    for name, found in rounds.items():
        rate, first, gap, late = (
            statistics.median(getattr(each, what) for each in found) for what in ("rate", "first", "gap", "gap_p99")
        )
        lines.append(f"{name:10} {rate:8.1f} {first * 1e3:9.0f} {gap * 1e3:11.2f} {late * 1e3:8.1f}")
    if THEIRS in rounds:
        rates = [ours.rate / theirs.rate for ours, theirs in zip(rounds[OURS], rounds[THEIRS], strict=True)]
        lines.append(f"ours / {THEIRS}: {_shown(rates)}")
    if bench:
        lines.append(f"bench: {statistics.median(bench) * 1e3:.2f} ms a token")
        costs = [ours.gap / alone for ours, alone in zip(rounds[OURS], bench, strict=True)]
        lines.append(f"between tokens / bench: {_shown(costs)}")
    return "\n".join(lines)


def _shown(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} (rounds: {', '.join(f'{ratio:.2f}' for ratio in ratios)})"


@contextlib.contextmanager
def bench(model: Path, args: argparse.Namespace) -> Iterator[Callable[[], float]]:
    """Takes a turn when called: seconds that `mistralrs bench` takes for a token where answers of the load are."""
    options = {"depth": WARM_UP.prompt + 1, "new": args.new, "threads": args.threads}
    words = [sys.executable, "-m", "benchmarks.bench_turns", str(model)]
    words += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def turn() -> float:
            if process.stdin is None or process.stdout is None:
                raise ContestantError("bench has no pipes")
            process.stdin.write("\n")
            process.stdin.flush()
            if not (answer := process.stdout.readline()):
                raise ContestantError("bench has ended")
            return float(answer)

        turn()
        yield turn


if __name__ == "__main__":
    main()
