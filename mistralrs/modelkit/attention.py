"""The attention block: it owns projections; the step owns the cache, the masks and the kernel."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mistralrs.ops import AttentionSpec, Step


class QkvParts(nn.Module):
    """Queries, keys and values from three projections."""

    def __init__(self, q: nn.Module, k: nn.Module, v: nn.Module) -> None:
        super().__init__()
        self.q, self.k, self.v = q, k, v

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, ...]:
        """``[tokens, width]`` to three tensors ``[tokens, heads * head_dim]``."""
        return self.q(x, step), self.k(x, step), self.v(x, step)


class QkvPacked(nn.Module):
    """The same from one projection that is cut in three."""

    def __init__(self, qkv: nn.Module, sizes: Sequence[int]) -> None:
        super().__init__()
        self.qkv = qkv
        self.sizes = tuple(sizes)

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, ...]:
        """``[tokens, width]`` to three tensors ``[tokens, heads * head_dim]``."""
        return step.ops.split(self.qkv(x, step), self.sizes)


class QkvGroups(nn.Module):
    """The same from one projection that holds, for each key head, its queries, the key and the value."""

    def __init__(self, qkv: nn.Module, sizes: Sequence[int], groups: int) -> None:
        super().__init__()
        self.qkv = qkv
        self.sizes, self.groups = tuple(sizes), groups

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, ...]:
        """``[tokens, width]`` to three tensors ``[tokens, heads * head_dim]``."""
        return step.ops.split_groups(self.qkv(x, step), self.sizes, self.groups)


class ClampedQkv(nn.Module):
    """Queries, keys and values kept between ``-limit`` and ``limit``."""

    def __init__(self, qkv: nn.Module, limit: float) -> None:
        super().__init__()
        self.qkv, self.limit = qkv, limit

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, ...]:
        """``[tokens, width]`` to three tensors ``[tokens, heads * head_dim]``."""
        return tuple(step.ops.clamp(part, self.limit) for part in self.qkv(x, step))


class Attention(nn.Module):
    """Project, norm the heads if asked to, rotate, attend, project back.

    ``cache`` is the handle that the weight builder gave for this layer's :class:`~mistralrs.ops.PagedSpec`.
    """

    def __init__(
        self,
        cache: int,
        spec: AttentionSpec,
        qkv: nn.Module,
        out: nn.Module,
        rope: nn.Module | None,
        *,
        q_norm: nn.Module | None = None,
        k_norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.cache, self.spec = cache, spec
        self.qkv, self.out, self.rope = qkv, out, rope
        self.q_norm, self.k_norm = q_norm, k_norm

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        q, k, v = self.qkv(x, step)
        q, k = self.turn(q, k, step)
        return self.out(step.attend(self.cache, q, k, v, self.spec), step)  # type: ignore[no-any-return]

    def turn(self, q: Tensor, k: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Queries and keys as they attend: normed, then rotated."""
        return self.rotated(*self.normed(q, k, step), step)

    def normed(self, q: Tensor, k: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Both through their norms."""
        if self.q_norm is None or self.k_norm is None:
            return q, k
        return self.q_norm(q, step), self.k_norm(k, step)

    def rotated(self, q: Tensor, k: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Both turned by their position."""
        return (q, k) if self.rope is None else (self.rope(q, step), self.rope(k, step))


class RotateThenNorm(Attention):
    """Attention that norms the heads after it rotated them."""

    def turn(self, q: Tensor, k: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Queries and keys as they attend: rotated, then normed."""
        return self.normed(*self.rotated(q, k, step), step)
