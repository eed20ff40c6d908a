"""The stages that choose tokens from rows of logits, by themselves and as the end of a compiled step."""

from __future__ import annotations

from collections.abc import Sequence as Items

import torch
from torch import Tensor

from mistralrs.ops import StepOutput
from mistralrs_plugins.kernels.cpu.kernels.sizes import BINS, DRAW_GROUP, DRAW_SETTINGS, PIECE, PIECE_BYTES
from mistralrs_plugins.kernels.cpu.program.arguments import Argument, Call, Current, Number, Scratch, Stage
from mistralrs_plugins.kernels.cpu.program.program import Program, aligned
from mistralrs_plugins.kernels.cpu.threads import shared_pool

_SETTINGS: list[Argument] = [Current(Number.SETTINGS), Current(Number.CHOSEN)]
_LIKELIEST: list[Argument] = [Current(Number.TOP), Current(Number.TOTALS), Current(Number.CHOSEN)]
_TOLD: list[Argument] = [
    Current(Number.TOLD_COUNTS), Current(Number.TOP), Current(Number.CHOSEN), Current(Number.TOLD),
    Current(Number.TOTALS),
]  # fmt: skip


def shares_out(rows: int, vocab: int) -> bool:
    """Whether threads share rows out in pieces. One that has a row to itself has it in its cache all the time."""
    return rows < 2 * shared_pool().size and _pieces(vocab) > 1


def memory_of(vocab: int) -> int:
    """Bytes for what is found of a row: see :mod:`.kernels.pieces`."""
    groups = -(-vocab // DRAW_GROUP)
    size = _pieces(vocab) * (PIECE_BYTES + 16 * BINS) + 8 * groups + 8 * DRAW_GROUP * groups
    return -(-size // 64) * 64


def draw_stages(vocab: int, rows: Number, memory: Argument | None = None) -> list[Stage]:
    """Draw a token from each of ``rows`` rows: a row a thread, or in pieces if there is ``memory`` for all rows."""
    pieces = _pieces(vocab)
    return _stages("draws:draw", vocab, _SETTINGS, rows, memory, (pieces, pieces, 1, pieces, 1))


def likeliest_stages(vocab: int, rows: Number, memory: Argument | None = None) -> list[Stage]:
    """Find the likeliest tokens, in the same two ways."""
    return _stages("likely:likeliest", vocab, _LIKELIEST, rows, memory, (_pieces(vocab), 1))


def adjust_stages(vocab: int, rows: Number) -> list[Stage]:
    """Change what rows' records say."""
    given: list[Argument] = [Current(Number.LOGITS), vocab, Current(Number.CHANGES), Scratch(8 * vocab), 8 * vocab]
    return [Stage([Call("changes:adjust", given, per={rows: 1})])]


def _undo_stages(rows: Number) -> list[Stage]:
    return [Stage([Call("changes:undo", [Current(Number.LOGITS), Current(Number.CHANGES)], per={rows: 1})])]


def _tell_stages(vocab: int, rows: Number, memory: Argument | None = None) -> list[Stage]:
    return _stages("likely:tell", vocab, _TOLD, rows, memory, (_pieces(vocab), 1))


def _stages(
    kernel: str, vocab: int, given: list[Argument], rows: Number, memory: Argument | None, chunks: Items[int]
) -> list[Stage]:
    """A kernel's whole work with a row a chunk, or its parts in turn, each of so many ``chunks`` for a row."""
    size = memory_of(vocab)
    every: list[Argument] = [Current(Number.LOGITS), 4 * vocab, vocab, _pieces(vocab), *given]
    if memory is None:
        return [Stage([Call(kernel, [*every, Scratch(size), size, 0], per={rows: 1})])]
    parts = enumerate(chunks, 1)
    return [Stage([Call(kernel, [*every, memory, size, part], per={rows: count})]) for part, count in parts]


def _pieces(vocab: int) -> int:
    """How many pieces a row has: a power of two, so that they are shared out evenly."""
    return 1 << (-(-vocab // PIECE) - 1).bit_length()


class Choosing:
    """The last stages of a compiled step. ``full`` ones also change logits first and tell log-probabilities."""

    def __init__(self, vocab: int, *, full: bool) -> None:
        self.full = full
        self._vocab = vocab
        self._memory = aligned(0)
        memory = Current(Number.ROW_MEMORY)
        groups = {"draw": draw_stages(vocab, Number.ROWS), "draw in pieces": draw_stages(vocab, Number.ROWS, memory)}
        if full:
            groups = {"adjust": adjust_stages(vocab, Number.ROWS), **groups, "undo": _undo_stages(Number.ROWS)}
            groups["tell"] = _tell_stages(vocab, Number.ROWS)
            groups["tell in pieces"] = _tell_stages(vocab, Number.ROWS, memory)
        if _pieces(vocab) == 1:
            groups = {name: stages for name, stages in groups.items() if not name.endswith("pieces")}
        self._names = [name for name, stages in groups.items() for _ in stages]
        self.stages = [stage for stages in groups.values() for stage in stages]

    def begin(self, program: Program, out: StepOutput | None, rows: int) -> bool:
        """Fill in how the tokens of ``out`` are chosen, at the end of a ``program``. False if they are not."""
        shared = " in pieces" if shares_out(rows, self._vocab) else ""
        wanted: set[str] = set() if out is None else _fill(program, out)
        selected = {name + shared if name in ("draw", "tell") else name for name in wanted}
        if selected and shared:
            words = rows * memory_of(self._vocab) // 8
            if words > len(self._memory):
                self._memory = aligned(words)
            program.numbers[Number.ROW_MEMORY] = self._memory.ctypes.data
        for index, name in enumerate(self._names):
            program.use(index - len(self._names), int(name in selected))
        return bool(selected)


def _fill(program: Program, out: StepOutput) -> set[str]:
    """Write down where everything is; returns what there is to do."""
    numbers, choice = program.numbers, out.choice
    settings = out.settings if choice is None else choice.settings
    if settings is None:
        return set()
    numbers[Number.SETTINGS], numbers[Number.CHOSEN] = settings.data_ptr(), out.tokens.data_ptr()
    wanted = {"draw"}
    if choice is not None and any(each is not None for each in choice.held):
        numbers[Number.CHANGES] = choice.changes.data_ptr()
        wanted |= {"adjust", "undo"}
    if choice is not None and choice.tokens.shape[1]:
        numbers[Number.TOLD_COUNTS], numbers[Number.TOP] = choice.wanted.data_ptr(), choice.tokens.shape[1] - 1
        numbers[Number.TOLD], numbers[Number.TOTALS] = choice.tokens.data_ptr(), choice.logprobs.data_ptr()
        wanted.add("tell")
    return wanted


def fits(out: StepOutput, rows: int, vocab: int) -> bool:
    """Whether kernels can read and write what a step's output names."""
    wanted = [(out.logits, torch.float32, (rows, vocab)), (out.tokens, torch.int64, (rows,))]
    if out.settings is not None:
        wanted.append((out.settings, torch.float64, (rows, DRAW_SETTINGS)))
    if out.choice is not None:
        wanted += [(out.choice.settings, torch.float64, (rows, DRAW_SETTINGS))]
        wanted += [(out.choice.changes, torch.int64, (rows,)), (out.choice.wanted, torch.int64, (rows,))]
        told = (rows, out.choice.tokens.shape[-1])
        wanted += [(out.choice.tokens, torch.int64, told), (out.choice.logprobs, torch.float64, told)]
    return all(_is_solid(*each) for each in wanted)


def _is_solid(tensor: Tensor, kind: torch.dtype, shape: tuple[int, ...]) -> bool:
    return tensor.dtype == kind and tensor.shape == shape and tensor.is_contiguous() and tensor.device.type == "cpu"
