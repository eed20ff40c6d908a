"""Tokens and log-probabilities from rows of logits, on one thread: a parallel region would fight the model's."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mistralrs_plugins.kernels.torch.candidates import Logits
from mistralrs_plugins.kernels.torch.draws import Settings, draw_rows, probabilities


def draw(logits: Tensor, settings: Tensor) -> Tensor:
    """See :meth:`mistralrs.ops.Ops.draw`. Rows with the same top-k are drawn together."""
    wanted = settings.cpu().double().numpy()
    if not wanted[:, 0].any():
        return _most_likely(logits)
    found = Logits(logits.float().cpu().contiguous().numpy())
    tokens = np.full(len(found.rows), -1, dtype=np.int64)
    finite = np.isfinite(found.maxima)
    kinds = np.where(wanted[:, 0] == 0, -1, wanted[:, 1])  # the most likely is not drawn
    for kind in np.unique(kinds[finite]).tolist():
        members = np.flatnonzero((kinds == kind) & finite)
        if kind < 0:
            tokens[members] = [int(found.rows[index].argmax()) for index in members]
        else:
            tokens[members] = draw_rows(found, members, int(kind), Settings.of(wanted[members]))
    return torch.from_numpy(tokens)


def likeliest(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """See :meth:`mistralrs.ops.Ops.likeliest`."""
    rows = logits.float().cpu().contiguous().numpy()
    count = min(count, rows.shape[1])
    totals = np.empty(len(rows))
    tokens = np.empty((len(rows), count), dtype=np.int64)
    for index, row in enumerate(rows):
        best = int(row.argmax())
        totals[index] = float(row[best]) - np.log(float(probabilities(row)[best]))
        if count:
            tokens[index] = Logits(row[None]).largest(np.zeros(1, np.int64), count)[0]
    return torch.from_numpy(totals), torch.from_numpy(tokens)


def _most_likely(logits: Tensor) -> Tensor:
    values, tokens = logits.float().max(dim=1)  # NaN counts as the largest
    return torch.where(values.isfinite(), tokens, -1).cpu()
