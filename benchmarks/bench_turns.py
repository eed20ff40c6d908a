"""`mistralrs bench` as a partner that stays loaded: for each line it reads it writes the seconds of a token.

    python -m benchmarks.bench_turns FILE.gguf --depth 129 --new 64 --threads 2

What it measures with is bench's own. Loading a model for each turn would leave a minute between those of two partners,
in which the speed of a shared machine changes by more than the difference that is looked for.
"""

from __future__ import annotations

import argparse
import sys

from mistralrs.api.engine import LocalEngine
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs_plugins.frontends.bench.measure import time_decoding
from mistralrs_plugins.frontends.bench.plan import Prompts


def main() -> None:
    """Load, run once without telling, then take turns until there are no more lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    for name in ("depth", "new", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    args = parser.parse_args()
    selection = ModelSelection(model_id=args.file)
    runtime = RuntimeConfig(threads=args.threads, max_seqs=1, prefix_cache_n=0)
    with LocalEngine.open(PluginHost(Policy()), selection, runtime, PagedAttentionConfig()) as engine:
        prompts = Prompts(engine.model.vocab_size)

        def seconds() -> float:
            return time_decoding(engine, [prompts.make(args.depth)], args.new, lead=0).latency

        seconds()
        for _ in sys.stdin:
            print(seconds(), flush=True)


if __name__ == "__main__":
    main()
