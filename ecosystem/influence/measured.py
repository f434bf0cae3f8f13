"""Measured influence: paired runs at two curation levels that share every draw, for any generator, agent and order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ecosystem.core.check import warn
from ecosystem.core.door import Door, told_as
from ecosystem.core.kinds import typed
from ecosystem.core.progress import metered
from ecosystem.influence import judgement
from ecosystem.influence.absences import absences, unsaid
from ecosystem.influence.arising import Like
from ecosystem.influence.brief import small
from ecosystem.influence.pairs import Pairs, as_replicates, as_sources, as_targets, check_numbers, paired
from ecosystem.influence.sentences import readers_only
from ecosystem.running.measures import alignment
from ecosystem.running.measures.named import Measure, name_of
from ecosystem.running.recording import Record
from ecosystem.scenario import Scenario

_DRIFT = 0.02  # of an effect, that it may move over the averaged rounds
_ALARM = 1e-3  # probability that a call warns of a drift that is none


@dataclass(frozen=True, eq=False)
class Measured:
    """What :func:`measure_influence` found.

    ``table`` has the columns source, target, kind ("self" or "cross"), effect, low, high, seeds (pairs that counted);
    ``response`` source, target, round, effect, low, high: what the change at the source has done by each round.
    ``notes`` say why effects are missing, or not those of the long run (what the call has warned of), or are unsure.
    ``measure`` names what was read of the targets, ``led`` are members for whom others choose; ``plot`` draws charts.
    """

    plot = Door("ecosystem.plots.influence", "MeasuredPlots")
    _repr_html_ = Door("ecosystem.plots.shown_influence", "measured")

    table: pd.DataFrame
    response: pd.DataFrame = field(repr=False)
    delta: float
    confidence: float
    burn_in: int
    measure: str = "alignment"
    led: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        how = f"delta={self.delta:g}, burn_in={self.burn_in}, confidence={self.confidence:g}"
        return "\n".join([f"Measured({how})", small(self.table), *self.notes])

    @property
    @told_as(judgement.of_measured)
    def verdicts(self) -> pd.DataFrame:
        return judgement.of_measured(self.table, self.confidence, self.led, self.measure)

    @property
    def matrix(self) -> pd.DataFrame:
        """The effects, per unit of share: targets in rows and sources in columns, in the order of the table."""
        wide = self.table.pivot(index="target", columns="source", values="effect")
        return wide.loc[self.table["target"].unique(), self.table["source"].unique()]


@typed
def measure_influence(
    scenario: Scenario,
    *,
    delta: float = 0.02,
    seeds: int | Sequence[int | tuple[int, int]] = 40,
    sources: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    like: Like | None = None,
    burn_in: int | None = None,
    confidence: float = 0.95,
    judged: int = 256,
    measure: Measure = alignment,
    progress: bool | Callable[[int, int], object] = False,
    device: Any = None,
) -> Measured:
    """By how much more curation at each source changes the long-run alignment of each target, from paired runs.

    For each source ``k`` and seed the scenario runs twice, from the same start, at the curation levels ``λ_k ± delta``
    (:meth:`Scenario.with_curation`) with *common random numbers*: both runs share every draw. With ``J_j(r)`` the
    alignment of ``j`` after round ``r`` of ``R`` and ``b`` the ``burn_in``, the effect on ``j`` is the mean over seeds
    of ::

        1/(R − b) · Σ_{r > b} [J_j(r; λ_k + delta) − J_j(r; λ_k − delta)] / (2 · delta)

    with Student's interval over seeds. It estimates ``dJ_j/dλ_k`` up to a bias of ``O(delta²)``, at the scenario's own
    number of samples. That is not quite the derivative on the population: where rewards are not linear, the variance
    that finite samples leave in the parameters counts too, and that of the counts of curated samples is curved in the
    level (``scenarios/pair.py`` at coupling .9: 1.4849 for theta; 4 samples a round add −.2007, 64 add −.0125).

    It works with every generator, agent, schedule, ordering and intervention; what sets the level of a source to a
    fixed value during the run ends the difference there.

    Parameters
    ----------
    delta: half the distance of the two levels, between 0 and 0.5.
    seeds: ``n`` for the seeds ``0..n−1``, or ints and pairs ``(seed, replicate)``.
    sources: whose curation is varied; all with a level strictly between 0 and 1 (and those in ``like``) by default.
    targets: whose alignment is read; all with a reward by default.
    like: for members at level 0, ``{name: (u, name)}`` says on which flow curation arises. Their difference is
        one-sided, ``[J(delta) − J(0)] / delta``, with a bias of ``O(delta)``.
    burn_in: rounds left out before averaging; half of them by default.
    confidence: of the intervals, between 0 and 1.
    judged: samples that estimate an alignment without closed form (the same noise on both sides).
    measure: what is read instead of alignment, a function of a :class:`~ecosystem.running.measures.View` that returns a
        number for each member; of all members, unless ``targets`` says of which. Rounds in which it is NaN do not
        count.
    progress: show how far it is, in rounds of paired runs, by a bar (in a terminal or a notebook) or lines on stderr;
        or a function that is told ``(done, all)``.
    device: where the runs are played, as in ``run(device="cuda")``.

    Warns
    -----
    RuntimeWarning of pairs that diverged and are left out; of members that were not there in all averaged rounds (who
    left or joined, and when), or of whom a measure said nothing there; and of responses that still drift, so that
    effects are not those of the long run: the later half of the averaged rounds differs from the earlier by more than
    2 % of the effect and, where there is chance, by more than chance over seeds (paired, by Student's t: a call without
    any drift warns with a probability of at most 1 in 1,000).

    Returns
    -------
    A :class:`Measured`. In ``response`` the rounds before the change has reached a target are 0.0 exactly, and those in
    which it is absent are missing. With fewer than two pairs low and high are NaN, except on the population without
    random orders or clocks, where nothing is random: low = high = effect (NaN for an alignment that samples estimate).

    Raises
    ------
    KeyError for unknown names; ValueError for a level nearer to 0 or 1 than ``delta``, a source without curated flow
    that is not in ``like``, a target without reward, and numbers out of range.

    >>> from ecosystem import Flow, Linear, Location, Member, Scenario, Shift
    >>> taste, data = Linear([1.0]), Location([0.0])
    >>> s = Scenario("duo", rounds=40, samples=100)
    >>> s.add("writer", Member(Location([0.0]), reward=taste, curator=Shift([1.0]), real=data))
    >>> s.add("reader", Member(Location([0.0]), reward=taste, real=data))
    >>> s.connect("writer", "writer", Flow(curated=0.5))
    >>> s.connect("writer", "reader", Flow(raw=0.5))
    >>> measured = measure_influence(s, seeds=10)  # exactly: 1/(1 − .5)² = 4, and half of it
    >>> print(measured.table.round(1).to_string(index=False))
    source target  kind  effect  low  high  seeds
    writer writer  self     4.1  3.8   4.5     10
    writer reader cross     2.1  1.9   2.2     10
    """
    burn_in = check_numbers(scenario, delta, confidence, burn_in)
    varied = as_sources(scenario, sources, like or {}, delta)
    read = as_targets(scenario, targets, measure)
    addresses, certain = as_replicates(scenario, seeds, read, measure)
    record = Record(judged=judged, measures=[measure])
    tables, responses, lost, drifting, away = [], [], [], [], []
    sure = 1 - _ALARM / (len(varied) * len(read))  # of each pair, so that it holds for the call
    with metered(progress, scenario.name, "rounds of paired runs") as meter:
        meter.phase(f"measuring the influence of {len(varied)} on {len(read)} members")
        for pairs in paired(scenario, varied, read, addresses, record, measure, meter.now, device):
            tables.append(_table(pairs, read, certain, confidence, burn_in))
            responses.append(_response(pairs, read, certain, confidence))
            lost += _lost(pairs)
            drifting += _drifting(pairs, read, certain, sure, burn_in)
            away += absences(pairs, read, burn_in) + unsaid(pairs, read, name_of(measure), burn_in)
    first, last = burn_in + 1, scenario.rounds
    told = [*_of_lost(lost, measure), *_of_absences(away, first, last), *_of_drift(drifting, first, last)]
    for words in told:
        warn(words, RuntimeWarning)
    table, response = (pd.concat(parts, ignore_index=True) for parts in (tables, responses))
    if bool((table["low"].isna() & table["effect"].notna()).any()):
        told.append(
            "low and high are NaN where there are fewer than two pairs (seeds=...): nothing says how sure it is"
        )
    led = frozenset(readers_only(scenario.describe()["flows"]))
    return Measured(table, response, delta, confidence, burn_in, name_of(measure), led, tuple(told))


# -- what is said of the call ------------------------------------------------------------------------------------------


def _of_lost(lost: list[str], measure: Measure) -> Iterator[str]:
    if lost:
        where = ", ".join(lost[:8]) + (", ..." if len(lost) > 8 else "")
        yield (
            f"paired runs that diverged, or whose {name_of(measure)} is not finite, were left out: {where}; effects "
            "and intervals are those of the others"
        )


def _of_absences(away: list[str], first: int, last: int) -> Iterator[str]:
    if away:
        yield (
            f"rounds {first} to {last} are averaged, and not everybody counts in all of them: {_some(away)}; average "
            "rounds in which they do, burn_in=... and scenario.replace(rounds=...), or leave them out of targets="
        )


def _of_drift(drifting: list[str], first: int, last: int) -> Iterator[str]:
    if drifting:
        yield (
            f"the long run has not been reached: over rounds {first} to {last} the effect of {_some(drifting)}; "
            "play more rounds, scenario.replace(rounds=...), or average the last ones only, burn_in=...; "
            "where every law is known, influence(scenario).after() has the exact effect of so many rounds"
        )


def _some(sentences: list[str]) -> str:
    """The first of some sentences, each once, and how many there are."""
    found = list(dict.fromkeys(sentences))
    return "; ".join(found[:4]) + (f"; and {len(found) - 4} more" if len(found) > 4 else "")


# -- the tables --------------------------------------------------------------------------------------------------------


def _table(pairs: Pairs, targets: list[str], certain: np.ndarray, confidence: float, burn_in: int) -> pd.DataFrame:
    late = np.s_[:, :, burn_in + 1 :]
    values, rounds = _mean(pairs.quotients[late], pairs.counted[late], 2)
    *columns, seeds = _interval(values, rounds > 0, certain, confidence)
    table = _frame(source=pairs.sources, target=targets)
    table["kind"] = np.where(table["source"] == table["target"], "self", "cross")
    return table.assign(**_flat(columns), seeds=seeds.ravel())


def _response(pairs: Pairs, targets: list[str], certain: np.ndarray, confidence: float) -> pd.DataFrame:
    *columns, seeds = _interval(pairs.quotients, pairs.counted, certain[:, None], confidence)
    table = _frame(source=pairs.sources, target=targets, round=range(seeds.shape[2])).assign(**_flat(columns))
    return table[seeds.ravel() > 0]


def _drifting(pairs: Pairs, targets: list[str], certain: np.ndarray, confidence: float, burn_in: int) -> list[str]:
    """The pairs whose effect moves from the earlier to the later half of the averaged rounds, beyond chance."""
    half = burn_in + 1 + (pairs.quotients.shape[2] - burn_in - 1) // 2
    spans = [np.s_[:, :, burn_in + 1 : half], np.s_[:, :, pairs.quotients.shape[2] - half + burn_in + 1 :]]
    (first, n), (last, m) = (_mean(pairs.quotients[span], pairs.counted[span], 2) for span in spans)
    both = (n > 0) & (m > 0)
    change, low, high, _ = _interval(last - first, both, certain, confidence)
    begin, end = (_mean(part, both, -1)[0] for part in (first, last))
    moves = ((low > 0) | (high < 0)) & (np.abs(change) > _DRIFT * np.maximum(np.abs(begin), np.abs(end)))
    return [
        f"{pairs.sources[k]!r} on {targets[j]!r} moves from {begin[k, j]:.4g} to {end[k, j]:.4g}"
        for k, j in np.argwhere(moves)
    ]


def _frame(**axes: Sequence[Any]) -> pd.DataFrame:
    """All combinations, the last axis fastest."""
    return pd.MultiIndex.from_product(axes.values(), names=list(axes)).to_frame(index=False)


def _flat(columns: list[np.ndarray]) -> dict[str, np.ndarray]:
    return dict(zip(("effect", "low", "high"), (column.ravel() for column in columns), strict=True))


def _mean(values: np.ndarray, counted: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of what counts along an axis, NaN of nothing, and how many there are."""
    n = counted.sum(axis)
    total = np.where(counted, values, 0.0).sum(axis)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan), n


def _interval(values: np.ndarray, counted: np.ndarray, certain: np.ndarray, confidence: float) -> tuple:
    """Effect, low, high and the number of seeds, by Student's t over the seeds (the last axis)."""
    effect, n = _mean(values, counted, -1)
    squares, _ = _mean((values - effect[..., None]) ** 2, counted, -1)
    degrees = np.maximum(n - 1, 1)
    half = stdtrit(degrees, (1 + confidence) / 2) * np.sqrt(squares / degrees)
    half = np.where(n > 1, half, np.where(certain & (n == 1), 0.0, np.nan))
    return effect, effect - half, effect + half, n


def _lost(pairs: Pairs) -> list[str]:
    counts = (~pairs.whole).any(1).sum(-1)
    of = pairs.whole.shape[-1]
    return [f"{n} of {of} of {name!r}" for name, n in zip(pairs.sources, counts, strict=True) if n]
