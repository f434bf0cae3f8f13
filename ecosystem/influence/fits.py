"""How members answer, one by one: their fit to what it is given, and what becomes of a few flows of a bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.func import vjp

from ecosystem.engine.bundles import Bundle
from ecosystem.engine.waves import Task
from ecosystem.generators import ClosedForm
from ecosystem.influence.jacobian import derivative
from ecosystem.influence.layout import with_vector

_AT_ONCE = 1 << 16  # members that are looked at together


@dataclass
class Fit:
    """How the members of one task answer a change of what they are fitted to."""

    task: Task
    stack: ClosedForm  # the members before the fit, batch [rows, 1, 1]
    statistic: Tensor  # at the point, [rows, 1, 1, Q]

    def of(self, rows: Tensor) -> Fit:
        """That of some of the members."""
        return Fit(self.task, self.stack.take(rows), self.statistic[rows])

    @cached_property
    def matrix(self) -> Tensor:
        """``F``: the new parameters by the statistic, ``[rows, width, Q]``."""
        return jacobians(lambda s: widened(self.stack, s.shape[2]).refit(s).vector(), self.statistic)

    @cached_property
    def plain(self) -> bool:
        """Whether the new parameters are the statistic itself."""
        height, width = self.matrix.shape[1:]
        return height == width and bool((self.matrix == torch.eye(height)).all())

    def refitted(self, vector: Tensor) -> Tensor:
        """The new parameters if the old ones were ``vector [rows, 1, columns, width]``, at the same statistic."""
        columns = vector.shape[2]
        stack = with_vector(widened(self.stack, columns), vector)
        return stack.refit(self.statistic.repeat(1, 1, columns, 1)).vector() + 0 * vector

    @cached_property
    def incomplete(self) -> bool:
        """Whether the fit starts from the old parameters and keeps something of them."""
        rows = len(self.statistic)
        if rows > _AT_ONCE:
            return any(self.of(some).incomplete for some in torch.arange(rows).split(_AT_ONCE))
        vector = self.stack.vector()
        direction = torch.linspace(0.5, 1.5, vector.shape[-1], dtype=vector.dtype).expand_as(vector).contiguous()
        return bool(derivative(self.refitted, vector, direction)[1].any())

    @cached_property
    def inertia(self) -> Tensor:
        """The new parameters by the old ones at a fixed statistic, ``[rows, width, width]``."""
        return jacobians(self.refitted, self.stack.vector())

    def answer(self, statistic: Tensor, vector: Tensor) -> Tensor:
        """How the new parameters move with the statistic ``[rows, Q]`` and the old ones ``[rows, width]``."""

        def refit(s: Tensor) -> Tensor:
            return self.stack.refit(s).vector()

        moved = derivative(refit, self.statistic, statistic[:, None, None])[1]
        if self.incomplete:
            moved = moved + derivative(self.refitted, self.stack.vector(), vector[:, None, None])[1]
        return moved[:, 0, 0]


def narrowed(bundle: Bundle, keep: Tensor) -> Bundle:
    """A bundle with some of its components only (an index tensor), and the origins that they need."""
    origins, origin = torch.unique(bundle.origin[keep], return_inverse=True)
    return replace(
        bundle,
        slot=bundle.slot[keep.numpy()],
        owner=bundle.owner[keep],
        component=bundle.component[keep],
        origin=origin,
        source=bundle.source[origins],
        users=None if bundle.users is None else bundle.users.take(origins),
        transform=None if bundle.transform is None else bundle.transform.take(origins),
        memo={},
    )


def widened(stack: ClosedForm, columns: int) -> ClosedForm:
    """A stack with batch ``[rows, 1, 1]`` as one with ``[rows, 1, columns]``."""
    return stack.map(lambda t: t.repeat(1, 1, columns, *(1,) * (t.ndim - 3)))


def jacobians(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Jacobians ``[rows, out, in]`` of a function that acts on each row alone: ``at [rows, 1, 1, in]``.

    One column for each number that comes out, pulled back at once.
    """
    out = function(at).shape[-1]
    pull = vjp(function, at.repeat(1, 1, out, 1))[1]
    eye = torch.eye(out, dtype=at.dtype).expand(at.shape[0], 1, out, out)
    return pull(eye.contiguous())[0][:, 0]
