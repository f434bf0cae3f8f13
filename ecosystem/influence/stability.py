"""Will the network settle, in which order, and how fast? Everything here is local, about one stable point."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.check import brief
from ecosystem.core.kinds import typed
from ecosystem.core.streams import Stream
from ecosystem.engine.memories import Unsettled
from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.jacobian import DENSE, derivative
from ecosystem.influence.linear_flows import LinearFlows
from ecosystem.influence.linear_round import LinearRound
from ecosystem.influence.lyapunov import Lyapunov, Unseen
from ecosystem.influence.pace import Law, averaged, averaging, estimated
from ecosystem.influence.resolvent import Resolvent
from ecosystem.influence.rounds import Rounds, State
from ecosystem.influence.sizes import sizes
from ecosystem.influence.spectra import below_one, radius_of_dense, radius_of_sparse
from ecosystem.influence.stable import StablePoint, prepared, vector_of
from ecosystem.orderings import as_ordering
from ecosystem.scenario import Scenario

_PERTURBED = 1e-3  # relative size of the change whose fading is measured
_WIDE = 10  # standard deviations that count as the whole of a member
_PATIENCE = 5000  # rounds played at most to see it fade
_SEEN = 200  # rounds that an exponent is estimated from, where users move beside members who average their data


@dataclass(frozen=True)
class Stability:
    """How small changes about a stable point live on.

    ``radius`` is ``ρ(B)``, ``B = ∂T/∂Θ``: synchronous rounds without delays or memory settle if it is below 1, not if
    it is above. ``certificate`` is ``ρ(K)``, ``K_ij = ‖B_ij‖₂``: below 1 (``certified``), every asynchronous order with
    bounded delays settles (Chazan and Miranker 1969; sufficient, not necessary). ``table`` has one row for each
    ordering:

    - ``rate``: the factor by which a change shrinks in a round in the long run: the spectral radius of the engine's own
      round (delays, periods and memories of data included; the root of a hyper-period's), or for orders and clocks
      that are random or have no period ``e^γ`` with the Lyapunov exponent ``γ``, measured; of networks whose parts read
      each other in one direction only, that of the slowest part. NaN where all data ever seen count alike and changes
      fade like a power ``t^{−exponent}`` (estimated from rounds played where users move too), and where a memory does
      not come to rest, no eigenvalue converged, or a clock is so slow that it did not ring in the rounds that were
      looked at: then the rounds are ``measured`` only, and ``note`` says why;
    - ``error``: the standard error of a measured rate;
    - ``settles``: whether changes fade; where rounds are measured only, whether they did within 5,000;
    - ``worst``: for random orders, the largest spectral radius of a round seen;
    - ``left``: what the scenario's own number of rounds leaves of a small change, about, by that law;
    - ``predicted`` and ``measured``: rounds until a small change has shrunk to ``tolerance``, by the rate (where a
      chain without loops forgets, by its length) and by playing.
    """

    radius: float
    certificate: float
    table: pd.DataFrame
    tolerance: float
    note: str = ""

    @property
    def certified(self) -> bool:
        """Whether every asynchronous order with bounded delays settles: ``ρ(K) < 1``."""
        return below_one(self.certificate)

    @property
    def settles(self) -> bool:
        """Whether the scenario's own ordering does."""
        return bool(self.table["settles"].iloc[0])

    @property
    def _seen(self) -> str:
        many = self.table["measured"].iloc[0]
        return f"not within {_PATIENCE:,} rounds" if math.isnan(many) else f"{many:.0f} rounds"

    def __repr__(self) -> str:
        own = self.table.iloc[0]
        pace = f"rate {own['rate']:.4g}" if math.isnan(own["exponent"]) else f"like t^-{own['exponent']:.3g}"
        if self.note:
            pace = f"measured only: {self._seen}, {self.note}"
        if own["left"] > 0:
            pace += f", of which its own rounds leave {own['left']:.2g}"
        verb = "settles" if self.settles else "was not seen to settle" if self.note else "does not settle"
        return (
            f"Stability({verb} in its own order, {own['ordering']}, {pace}; ρ(B) = {self.radius:.4g}, "
            f"any order {'certified' if self.certified else 'not certified'}: ρ(K) = {self.certificate:.4g})"
        )


@typed
def stability(
    scenario: Scenario, orderings: Sequence[Any] = (), *, at: StablePoint | None = None, tolerance: float = 1e-6
) -> Stability:
    """Spectral radii, rates and certificates at the stable point of a scenario (``at`` spares the search for it).

    The first row of the table is the scenario's own ordering, then those given, each once. ValueError where there is no
    stable point.

    >>> from ecosystem import Flow, Location, Member, Scenario, sequential, synchronous
    >>> s = Scenario("duo", rounds=1, ordering=synchronous)
    >>> for name in "ab":
    ...     s.add(name, Member(Location([0.0]), real=Location([1.0])))
    >>> s.connect("a", "b", Flow(raw=0.5))
    >>> s.connect("b", "a", Flow(raw=0.5))
    >>> stability(s, [sequential("a", "b")]).table["rate"].round(6).tolist()     # ρ and ρ²
    [0.5, 0.25]
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"stability(tolerance) lies between 0 and 1, got {brief(tolerance)}")
    dynamics, point = prepared(scenario, None, at)
    return assess(Resolvent(dynamics, vector_of(dynamics, point)), orderings, tolerance)


def assess(resolvent: Resolvent, orderings: Sequence[Any] = (), tolerance: float = 1e-6) -> Stability:
    """See :func:`stability`."""
    own = resolvent.dynamics.scenario.ordering
    asked = {ordering.kind(): ordering for ordering in (own, *map(as_ordering, orderings))}  # each once, in this order
    many = [Rounds(resolvent.dynamics, ordering) for ordering in asked.values()]
    note = ""
    try:
        rest: State | None = many[0].at_rest(resolvent.point.unsqueeze(0))
    except Unsettled as error:
        rest, note = None, str(error)
    rows = [_row(rounds, resolvent.flows, tolerance, rest) for rounds in many]
    why = [row.pop("unseen", "") for row in rows]
    note = note or why[0]
    if not note and math.isnan(rows[0]["rate"]) and math.isnan(rows[0]["exponent"]):
        note = "the spectral radius of a round was not found"
    return Stability(resolvent.radius, _certificate(resolvent), pd.DataFrame(rows), tolerance, note)


def _certificate(resolvent: Resolvent) -> float:
    """``ρ(K)``, ``K_ij = ‖B_ij‖₂``; with users who move, a taste is a node too (NaN where ``B`` is too large)."""
    layout, size = resolvent.dynamics.layout, len(resolvent.point)
    if not layout.minds:
        return radius_of_sparse(resolvent.blocks.norms())
    if size > DENSE:
        return float("nan")
    inside = layout.tangent(resolvent.pull(torch.eye(size, dtype=resolvent.point.dtype)))
    nodes = layout.nodes()
    parts = [[inside[nodes == i][:, nodes == j] for j in nodes.unique()] for i in nodes.unique()]
    norms = [[float(torch.linalg.matrix_norm(part, 2)) for part in row] for row in parts]
    return radius_of_dense(torch.tensor(norms, dtype=torch.float64))


def _row(rounds: Rounds, flows: LinearFlows, tolerance: float, rest: State | None) -> dict[str, Any]:
    """One ordering: how fast, whether at all, in how many rounds; without a state at ``rest`` by playing alone."""
    vector = flows.point
    slow = averaging(rounds.dynamics)
    row: dict[str, Any] = {
        "ordering": repr(rounds.ordering),
        "rate": math.nan,
        "error": math.nan,
        "worst": math.nan,
        "exponent": math.nan,
    }
    if rest is None:
        return row | _played(rounds, vector, tolerance, rounds.begin(vector.unsqueeze(0)))
    linear, law = LinearRound(rounds, rest, frozen=slow), averaged(flows, slow) if slow.any() else None
    if law is not None and law.kind == "unknown":
        law = estimated(rounds, list(_distances(rounds, vector, rest, _SEEN)))
    if rounds.random:
        try:
            rate, row["error"], row["worst"] = Lyapunov(linear).measured()
        except Unseen as error:
            return row | _played(rounds, vector, tolerance, rest) | {"unseen": str(error)}
    else:
        rate = linear.rate()
        if math.isnan(rate if law is None else law.pace):
            return row | _played(rounds, vector, tolerance, rest)
    own = rounds.dynamics.scenario.rounds
    if law is not None:
        row["exponent"] = law.pace
        row["settles"], row["left"] = bool(below_one(rate) and law.shrinks), law.left(1, own)
        row["predicted"] = tolerance ** (-1 / law.pace) if row["settles"] else math.nan
    else:
        row["rate"] = rate
        row["settles"], row["left"] = below_one(rate), Law("geometric", rate).left(0, own)
        row["predicted"] = _predicted(rate, tolerance)
        if rate <= tolerance:  # what dies out on its way down the stream takes as many rounds as there are steps
            row["predicted"], row["left"] = _passing(linear, vector, tolerance)
    within_reach = row["settles"] and row["predicted"] <= _PATIENCE
    row["measured"] = _measured(rounds, vector, tolerance, rest) if within_reach else math.nan
    return row


def _played(rounds: Rounds, vector: Tensor, tolerance: float, rest: State) -> dict[str, Any]:
    """What playing alone shows, where no rate is known."""
    measured = _measured(rounds, vector, tolerance, rest)
    return {"settles": not math.isnan(measured), "left": math.nan, "predicted": math.nan, "measured": measured}


def _predicted(rate: float, tolerance: float) -> float:
    """Rounds until ``rate^t`` is ``tolerance``."""
    if not below_one(rate):
        return math.nan
    return 1.0 if rate <= tolerance else math.ceil(math.log(tolerance) / math.log(rate))


def _passing(linear: LinearRound, vector: Tensor, tolerance: float) -> tuple[float, float]:
    """Rounds until a small change of all parameters has passed down the stream, and what the scenario's own leave."""
    dynamics = linear.rounds.dynamics
    own, left, predicted = dynamics.scenario.rounds, 0.0, math.nan
    change = (_moved(dynamics, vector) - vector)[0]
    begin = float(change.abs().max())
    if begin <= 1e-13 * (1 + float(vector.abs().max())):
        return 1.0, left
    for number, size in enumerate(_fading(linear, change), start=1):
        left = size / begin if number == own else left
        predicted = float(number) if size <= tolerance * begin and math.isnan(predicted) else predicted
        if size == 0 or (predicted <= number and number >= own) or number >= _PATIENCE:
            return predicted, left
    return predicted, left


def _fading(linear: LinearRound, change: Tensor) -> Iterator[float]:
    """The largest number of what is left of a change of all parameters, ``[size]``, after 1, 2, ... rounds."""
    kept = len(linear.flat) - len(linear.rest.past) * len(change)
    v = torch.cat([*[change] * len(linear.rest.past), change.new_zeros(kept)]).unsqueeze(0)
    for number in itertools.count(linear.rounds.first):
        played = partial(linear.played, turns=[linear.turn(number)])
        v = derivative(played, linear.flat.unsqueeze(0), v)[1]
        yield float(v[:, : len(change)].abs().max())


def _moved(dynamics: Dynamics, vector: Tensor) -> Tensor:
    """Parameters a little beside a point, inside the families, ``[1, size]``."""
    noise = Stream.root([(0, 0)]).at("perturbation").normal(1, len(vector))[:, 0]
    size = torch.minimum(1 + vector.abs(), _WIDE * sizes(dynamics.layout, vector.unsqueeze(0))[0])
    return dynamics.retrained(vector + _PERTURBED * noise * size)


def _measured(rounds: Rounds, vector: Tensor, tolerance: float, rest: State) -> float:
    """Rounds that the engine plays until a small change of all parameters has shrunk to ``tolerance``."""
    distances = _distances(rounds, vector, rest, _PATIENCE)
    begin = next(distances)
    if begin <= 1e-13 * (1 + float(vector.abs().max())):
        return 1.0  # one round forgets it
    return next((float(n) for n, distance in enumerate(distances, start=1) if distance <= tolerance * begin), math.nan)


def _distances(rounds: Rounds, vector: Tensor, rest: State, most: int) -> Iterator[float]:
    """The largest number of what is left of a small change of all parameters after 0, 1, ..., ``most`` rounds."""
    moved = _moved(rounds.dynamics, vector)
    state = type(rest)((moved,) * (rounds.depth + 1), rest.memories)
    yield float((moved - vector).abs().max())
    for number in range(rounds.first, rounds.first + most):
        state = rounds.played(state, rounds.turn(number))
        yield float((state.now - vector).abs().max())
