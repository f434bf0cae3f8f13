"""Paired runs: a scenario at two curation levels of one member, with equal seeds, so that both share every draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecosystem.core.check import brief, whole_number
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.generators import ClosedForm
from ecosystem.generators.sources import as_source
from ecosystem.influence.arising import Like
from ecosystem.running.ecosystem import Ecosystem
from ecosystem.running.measures import Exact, alignment
from ecosystem.running.measures.named import Measure, name_of
from ecosystem.running.recording import Record
from ecosystem.running.variants import as_pairs, as_seeds, randomly_timed
from ecosystem.scenario import Scenario
from ecosystem.scenario.checks import check_known, parameter_count

_NUMBERS = 1 << 24  # that the ecosystem of one chunk keeps: about 128 MB
_ROUNDING = 1e-12  # by which a level may miss 0 or 1
_HERE = "measure_influence"

Seeds = list[tuple[int, int]]


# -- what is asked -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A member and the two levels between which its curation is varied."""

    name: str
    low: float
    high: float
    like: tuple[str, str] | None = None

    def sides(self, scenario: Scenario) -> list[Scenario]:
        return [scenario.with_curation(self.name, level, self.like) for level in (self.low, self.high)]


def check_numbers(scenario: Scenario, delta: float, confidence: float, burn_in: int | None) -> int:
    """The burn-in, if all numbers are in range."""
    for name, value, most in (("delta", delta, 0.5), ("confidence", confidence, 1)):
        if not 0 < value < most:
            raise ValueError(f"{_HERE}({name}) must lie between 0 and {most}, got {brief(value)}")
    burn_in = scenario.rounds // 2 if burn_in is None else burn_in
    whole_number(burn_in, f"{_HERE}(burn_in)", 0)
    if burn_in >= scenario.rounds:
        raise ValueError(
            f"{_HERE}(burn_in) is {burn_in}, and scenario {scenario.name!r} has {scenario.rounds} rounds, so none is "
            "left to average; leave out fewer, or play more: scenario.replace(rounds=...)"
        )
    return burn_in


def _names(scenario: Scenario, given: Sequence[str], what: str) -> list[str]:
    names = [given] if isinstance(given, str) else list(given)
    for name in names:
        check_known(name, scenario.graph, f"{_HERE}({what})")
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{_HERE}({what}) must name at least one member and none twice, got {names}")
    return names


def as_sources(scenario: Scenario, sources: Sequence[str] | None, like: Like, delta: float) -> list[Source]:
    """Who is varied, and how."""
    for name in like:
        check_known(name, scenario.graph, f"{_HERE}(like)")
    if sources is None:
        levels = {name: scenario.curation(name) for name in scenario.names}
        sources = [name for name, level in levels.items() if name in like or _ROUNDING < level < 1 - _ROUNDING]
        if not sources:
            raise ValueError(
                f"no member of scenario {scenario.name!r} has a curation level strictly between 0 and 1; for one at "
                "level 0 say on which flow curation arises: like={name: (u, name)}"
            )
    names = _names(scenario, sources, "sources")
    for name in set(like) - set(names):
        raise ValueError(f"{_HERE}(like) names {name!r}, which is not among the sources; add it there")
    return [_source(name, scenario.curation(name), like.get(name), delta) for name in names]


def _source(name: str, level: float, like: tuple[str, str] | None, delta: float) -> Source:
    if level == 0 and like is None:
        raise ValueError(
            f"{name!r} has no curated flow, so nothing says what more curation is; leave it out of the sources, or say "
            f"on which flow it arises: like={{{name!r}: (u, {name!r})}}"
        )
    if level == 0:
        return Source(name, 0.0, delta, like)
    if like is not None:
        raise ValueError(f"{_HERE}(like) is for members at curation level 0, {name!r} has {level:.4g}; drop it there")
    if level >= 1 - _ROUNDING:
        raise ValueError(
            f"{name!r} has curation level 1: its other shares are all 0 and cannot be scaled up; leave it out of the "
            "sources, or build the scenario with a lower level"
        )
    low, high = level - delta, level + delta
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(
            f"{name!r} has curation level {level:.4g}, which delta={delta:g} would take to {low:.4g} and {high:.4g}, "
            f"beyond 0 or 1; take delta at most {min(level, 1 - level):.4g}, or leave it out of the sources"
        )
    return Source(name, max(low, 0.0), min(high, 1.0))


def as_targets(scenario: Scenario, targets: Sequence[str] | None, measure: Measure = alignment) -> list[str]:
    """Whose alignment, or other measure, is read."""
    if measure is not alignment:
        return _names(scenario, scenario.names if targets is None else targets, "targets")
    judging = [name for name in scenario.names if scenario.member(name).reward is not None]
    if targets is None and not judging:
        raise ValueError(f"no member of scenario {scenario.name!r} has a reward; give one: Member(..., reward=...)")
    names = _names(scenario, judging if targets is None else targets, "targets")
    for name in set(names) - set(judging):
        raise ValueError(f"{name!r} has no reward, so no alignment to read; give it one: Member(..., reward=...)")
    return names


def as_replicates(
    scenario: Scenario, seeds: Any, targets: list[str], measure: Measure = alignment
) -> tuple[Seeds, np.ndarray]:
    """The replicates to run, and for which targets ``[targets]`` one alone is certain."""
    given = as_pairs(seeds, f"{_HERE}(seeds)")
    if scenario.samples is not None or randomly_timed(scenario):
        return as_seeds(given, scenario), np.zeros(len(targets), dtype=bool)
    return as_seeds(given[:1], scenario), np.array([_is_exact(scenario, name, measure) for name in targets])


def _is_exact(scenario: Scenario, name: str, measure: Measure) -> bool:
    """Whether an alignment, or another measure, has a closed form: one that does not say so has none."""
    member = scenario.member(name)
    try:
        if not isinstance(member.generator, ClosedForm):
            return False
        if measure is alignment:
            return member.generator.expect(member.reward) is not None
        real = None if member.real is None else as_source(member.real, member.generator, repr(name))
        if not isinstance(measure, Exact) or not isinstance(real, ClosedForm | None):
            return False
        return measure.of(member.generator, real) is not None
    except NoPopulationLaw:
        return False


# -- the runs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pairs:
    """Difference quotients ``[sources, targets, rounds, seeds]`` and where they count.

    ``whole [sources, targets, seeds]``: neither side diverged, and whatever there is of the target is finite; ``alive
    [sources, seeds]``: the first alone. ``there [sources, targets, rounds, seeds]`` and ``acting [sources, rounds,
    seeds]``: whether the target, and the source itself, are there on both sides.
    """

    sources: list[str]
    quotients: np.ndarray
    counted: np.ndarray
    whole: np.ndarray
    alive: np.ndarray
    there: np.ndarray
    acting: np.ndarray


def paired(
    scenario: Scenario,
    sources: list[Source],
    targets: list[str],
    seeds: Seeds,
    record: Record,
    measure: Measure = alignment,
    progress: Callable[[int, int], object] = lambda done, total: None,
    device: Any = None,
) -> Iterator[Pairs]:
    """Some sources at a time, as variants of one ecosystem, so that memory stays bounded.

    ``progress`` is told how many rounds of these ecosystems are played, and of how many.
    """
    fit = max(1, _NUMBERS // (2 * _numbers(scenario)))  # pairs of runs
    many, few = min(len(seeds), fit), max(1, fit // len(seeds))
    total = -(-len(sources) // few) * -(-len(seeds) // many) * scenario.rounds
    played = (progress(done, total) for done in range(1, total + 1))
    for i in range(0, len(sources), few):
        here = sources[i : i + few]
        variants = [side for source in here for side in source.sides(scenario)]
        some = (seeds[k : k + many] for k in range(0, len(seeds), many))
        names = [source.name for source in here]
        parts = [_run(variants, part, targets, names, record, measure, played, device) for part in some]
        alignment, said, present, alive = (np.concatenate(part, -1) for part in zip(*parts, strict=True))
        width = np.array([source.high - source.low for source in here]).reshape(-1, 1, 1, 1)
        with np.errstate(invalid="ignore"):
            quotients = (alignment[1::2] - alignment[::2]) / width
        heard, there, alive = (sides[1::2] & sides[::2] for sides in (said, present, alive))
        whole = alive[:, None] & (np.isfinite(quotients) | ~heard).all(2)
        acting = there[np.arange(len(here)), len(targets) + np.arange(len(here))]
        there = there[:, : len(targets)]
        yield Pairs(names, quotients, heard & whole[:, :, None], whole, alive, there, acting)


def _run(
    variants: list[Scenario],
    seeds: Seeds,
    targets: list[str],
    sources: list[str],
    record: Record,
    measure: Measure,
    played: Iterator[Any],
    device: Any,
) -> tuple[np.ndarray, ...]:
    """What is measured and whether it says anything, ``[variants, targets, rounds, seeds]``, who is there (targets,
    then sources), and what lives, ``[variants, seeds]``.

    An alignment that is NaN is one that was lost; where another measure is NaN it says nothing of a member.
    """
    eco = Ecosystem(variants, seeds=seeds, record=record, device=device)
    for _ in range(eco.rounds):  # not run(), which would warn of what diverged
        eco.step()
        next(played, None)
    rows, kept = [eco.names.index(name) for name in targets], eco.recorder.snapshots
    watched = rows + [eco.names.index(name) for name in sources]
    if (asked := name_of(measure)) not in kept[0].numbers:
        raise ValueError(f"{_HERE}(measure): {asked} returns a frame; a number for each member can be read")
    values = [s.numbers[asked][rows].astype(float) for s in kept]
    said = [s.present[rows] & ((measure is alignment) | ~np.isnan(x)) for s, x in zip(kept, values, strict=True)]
    arrays = (values, said, [s.present[watched] for s in kept])
    return *(np.stack(array, 1).transpose(2, 0, 1, 3) for array in arrays), eco.alive.cpu().numpy()


def _numbers(scenario: Scenario) -> int:
    """How many numbers an ecosystem keeps for one variant and replicate, about."""
    delay = max((flow.delay for _, _, flow in scenario.graph.edges(data="flow")), default=0)
    total = 0
    for name in scenario.names:
        member = scenario.member(name)
        total += 4 * (scenario.rounds + 1) + (3 + delay) * parameter_count(member.generator)
        if not isinstance(member.generator, ClosedForm):  # trained on the data themselves
            rounds = scenario.rounds if member.retention.remembers else 1
            total += rounds * (scenario.samples or 0) * math.prod(member.generator.event_shape)
    return total
