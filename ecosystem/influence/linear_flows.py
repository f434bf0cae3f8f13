"""What members send along flows and how they answer it, linearised at a point member by member.

A member is refitted to a statistic that is linear in what each flow sends: ``B_ij = F_i · Σ share · D``, with ``D`` the
derivative of a flow's statistic by its producer's parameters and ``F_i`` that of the fit. Both concern one member at a
time, so a few columns (one for each parameter of a single member) give them for all members at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import torch
from torch import Tensor

from ecosystem.core.memory import Watch, fitting
from ecosystem.core.products import add_rows
from ecosystem.engine.bundles import Bundle
from ecosystem.engine.population import gather_population, statistic_sent
from ecosystem.generators import ClosedForm
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.fits import Fit, jacobians, narrowed, widened
from ecosystem.influence.jacobian import derivative
from ecosystem.influence.layout import with_vector

_NUMBERS = 1 << 20  # in the blocks that are worked out at a time
_MANY = 1 << 20  # numbers of all members of which no copies are kept


@dataclass(frozen=True)
class PairBlocks:
    """Blocks ``[n, height, width]`` of as many pairs of members."""

    targets: Tensor
    producers: Tensor
    blocks: Tensor


class LinearFlows:
    """The flows of a network and the fits at their ends, linearised at a point ``Θ [size]``."""

    def __init__(self, dynamics: Dynamics, point: Tensor) -> None:
        self.dynamics = dynamics
        self.point = point
        self.now = dynamics.round_at(point.unsqueeze(0), differentiable=False)
        self.shares = dynamics.layout.minds.weighed(point.unsqueeze(0), dynamics.shares)[:, 0, 0]

    @cached_property
    def fits(self) -> list[Fit]:
        """One for each task, in the order of ``dynamics.tasks``."""
        fits = []
        for task in self.dynamics.tasks(self.now):
            stack = cast(ClosedForm, self.now.generators[task.cohort])
            stack = stack if len(task.rows) == stack.batch_shape[0] else stack.take(torch.from_numpy(task.rows))
            fits.append(Fit(task, stack, gather_population(self.now, task)))
        return fits

    def forget(self) -> None:
        """Let go of copies of all members, of very many; made anew where they are asked for again."""
        if len(self.point) > _MANY:
            self.__dict__.pop("fits", None)

    def parts(self, kept: bool = True) -> Iterator[PairBlocks]:
        """The blocks of all flows, many at a time, and of what fits keep of old parameters (without them if not
        ``kept``); blocks of one pair of members add up.
        """
        for fit in self.fits:
            if kept and fit.incomplete:
                members = torch.from_numpy(fit.task.members)
                yield PairBlocks(members, members, fit.inertia)
            for bundle in fit.task.bundles:
                yield from self._of_bundle(fit, bundle)

    def _of_bundle(self, fit: Fit, bundle: Bundle) -> Iterator[PairBlocks]:
        producers = torch.from_numpy(self.dynamics.wiring.producer)[bundle.component]
        moves = (producers >= 0) & torch.from_numpy(self.dynamics.moves)[producers]  # real data do not answer
        width = fit.matrix.shape[1] * self.producers(bundle).vector().shape[-1]
        if not bool(moves.any()):
            return
        many = moves.nonzero().squeeze(-1)
        for some in many.split(self._at_a_time(fit, bundle, many, max(1, _NUMBERS // width))):
            part = narrowed(bundle, some)
            answers = self.answers(fit, part)  # [origins, Q, width]
            blocks = answers[part.origin]
            blocks = blocks if fit.plain else torch.bmm(fit.matrix[part.owner], blocks)
            blocks *= self.shares[part.component].reshape(-1, 1, 1)
            yield PairBlocks(torch.from_numpy(fit.task.members)[part.owner], producers[some], blocks)

    def _at_a_time(self, fit: Fit, bundle: Bundle, some: Tensor, most: int) -> int:
        """Of how many components of a bundle the answers fit the memory together."""

        def peak(count: int) -> int:
            with Watch() as watch:
                self.answers(fit, narrowed(bundle, some[:count]))
            return watch.most

        return fitting(peak, min(most, len(some)))

    def answers(self, fit: Fit, bundle: Bundle) -> Tensor:
        """``D``: the statistic that each origin of a bundle sends by its producer's parameters, ``[origins, Q,
        width]``.
        """
        stack = self.producers(bundle)
        return jacobians(lambda vector: self.statistics(fit, bundle, vector), stack.vector())

    def producers(self, bundle: Bundle) -> ClosedForm:
        """The producers of a bundle, one for each origin, batch ``[origins, 1, 1]``."""
        return cast(ClosedForm, self.now.read(bundle).take(bundle.source))

    def statistics(self, fit: Fit, bundle: Bundle, vector: Tensor) -> Tensor:
        """What producers with parameters ``vector [origins, 1, columns, width]`` would send, ``[origins, 1, columns,
        Q]``.
        """
        origins = with_vector(widened(self.producers(bundle), vector.shape[2]), vector)
        return statistic_sent(self.now, fit.stack, bundle, origins)

    def moved(self, fit: Fit, bundle: Bundle, v: Tensor) -> Tensor:
        """How what each origin of a bundle sends moves, ``[origins, Q]``, when its producer moves by ``v [origins,
        width]``.
        """
        vector = self.producers(bundle).vector()
        return derivative(lambda x: self.statistics(fit, bundle, x), vector, v[:, None, None])[1][:, 0, 0]

    def pushed(self, shares: Tensor) -> Tensor:
        """How the new parameters move when all declared shares do, by ``shares [components, 1, 1]``: ``[size]``.

        What members train on is linear in their shares.
        """
        out, layout = torch.zeros_like(self.point), self.dynamics.layout
        shares = layout.minds.moved(self.point.unsqueeze(0), self.dynamics.shares, shares)
        for fit in self.fits:
            moved = torch.zeros_like(fit.statistic[:, 0, 0])
            for bundle in fit.task.bundles:
                share = shares[bundle.component, 0, 0]
                some = share.nonzero().squeeze(-1)
                if len(some):
                    part = narrowed(bundle, some)
                    sends = self.statistics(fit, part, self.producers(part).vector())[:, 0, 0]
                    # bundle by bundle, as a round adds
                    moved += add_rows(sends[part.origin] * share[some].unsqueeze(-1), part.owner, len(moved))
            rows = moved.any(-1).nonzero().squeeze(-1)
            if len(rows):
                few = fit if len(rows) == len(moved) else fit.of(rows)
                answers = few.answer(moved[rows], torch.zeros_like(few.stack.vector()[:, 0, 0]))
                out[layout.numbers_of(fit.task.members[rows.numpy()])] = answers
        return out

    def total(self, numbers: Callable[[int, int], int]) -> int:
        """``numbers(width of the reader, width of the producer)`` summed over everything that flows."""
        widths = {block.cohort: block.width for block in self.dynamics.layout.blocks}
        total = 0
        for task in self.dynamics.tasks(self.now):
            for bundle in task.bundles:
                total += len(bundle.owner) * numbers(widths[task.cohort], widths.get(bundle.cohort, 0))
        return total
