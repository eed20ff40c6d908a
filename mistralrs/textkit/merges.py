"""The merges of a byte-pair vocabulary that lists none: its pieces and their ranks imply them."""

from __future__ import annotations

from collections.abc import Mapping

# Every way to cut a piece in two is looked at; real pieces have a few hundred characters at most.
MAX_PIECE_CHARS = 1024


def implied_merges(ranks: Mapping[str, float], ids: Mapping[str, int]) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a piece, in the order of that piece's rank, lowest first.

    SentencePiece joins the neighbours whose union scores highest and tiktoken those whose union ranks lowest: both are
    a list of merges in that order. ``ids`` decide between pairs that make pieces of equal rank.
    """
    found: list[tuple[float, int, int, str, str]] = []
    for piece, rank in ranks.items():
        if len(piece) > MAX_PIECE_CHARS:
            continue
        for cut in range(1, len(piece)):
            left = piece[:cut]
            if left in ranks and (right := piece[cut:]) in ranks:
                found.append((rank, ids[left], ids[right], left, right))
    found.sort()
    return [(left, right) for *_, left, right in found]
