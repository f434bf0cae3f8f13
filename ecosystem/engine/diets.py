"""What may change while an ecosystem runs: every function leads from a state to another, and says what changed.

Agents that decide and interventions from outside use the same few verbs. Every change is checked as a scenario's is;
``where [variants, replicates]`` says in which replicates it happens (everywhere if None), and only in those that live.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import as_tensor, brief, one_number, spreads, switch
from ecosystem.engine.program import Program
from ecosystem.engine.state import Clock, State, in_effect
from ecosystem.engine.wiring import CURATED, RAW
from ecosystem.scenario.descriptions import TOLERANCE
from ecosystem.scenario.interventions import Effect, Intervention, Subject, at_once, label
from ecosystem.scenario.shares import move_share
from ecosystem.schedules import Schedule


@dataclass(frozen=True)
class Change:
    """One row of the table ``changes``, for the replicates in ``where``: it happened before ``round``.

    ``content`` is the digest of a taste that was given, of which ``after`` need not say all.
    """

    round: int
    subject: Subject
    what: str
    before: Tensor | str
    after: Tensor | str
    where: Tensor
    content: str = ""


Changed = tuple[State, list[Change]]


def everywhere(state: State, where: Tensor | None) -> Tensor:
    """The replicates in which something happens: those asked for that live."""
    if where is None:
        return state.alive.clone()
    asked = torch.tensor(where) if isinstance(where, bool) else as_tensor(where, "where")
    whole = asked.dtype == torch.bool and spreads(asked.shape, state.alive.shape)
    if not whole:
        raise ValueError(
            f"where must be a mask of bools that broadcasts to [variants, replicates] = {tuple(state.alive.shape)}, "
            f"got {brief(where)}"
        )
    return asked.to(state.alive.device).expand(state.alive.shape) & state.alive


def _levels(state: State, value: Any, what: str) -> Tensor:
    """A share or level for every replicate, ``[variants, replicates]``."""
    given = one_number(value, what) if not isinstance(value, Tensor) else as_tensor(value, what).to(torch.float64)
    if not spreads(given.shape, state.alive.shape):
        raise ValueError(
            f"{what} must be a number, or numbers that broadcast to [variants, replicates] = "
            f"{tuple(state.alive.shape)}, got {brief(value)}"
        )
    return given.to(state.alive.device).expand(state.alive.shape)


def diet(state: State, name: str) -> dict[str, tuple[Tensor, Tensor]]:
    """What a member takes: raw and curated shares by producer, ``[variants, replicates]`` each."""
    found: dict[str, tuple[Tensor, Tensor]] = {}
    nothing = torch.zeros(state.alive.shape, device=state.alive.device)
    for i in state.wiring.components_of(state.wiring.index[name]):
        part = state.wiring.components[i]
        if part.flow is not None:
            raw, curated = found.setdefault(part.flow[0], (nothing, nothing))
            value = state.shares[i].expand(state.alive.shape)
            found[part.flow[0]] = (raw, curated + value) if part.group == CURATED else (raw + value, curated)
    return found


# -- shares ------------------------------------------------------------------------------------------------------------


def set_flow(
    program: Program, state: State, u: str, v: str, raw: Any = None, curated: Any = None, where: Tensor | None = None
) -> Changed:
    """Change the shares that ``v`` takes from ``u`` (numbers or ``[variants, replicates]``)."""
    named = isinstance(u, str)
    places = {group: state.wiring.places((u, v), group) if named else [] for group in (RAW, CURATED)}
    if not places[RAW] and not places[CURATED]:
        raise KeyError(f"{v!r} has no flow from {brief(u)}; declare it in the scenario, with share 0 if need be")
    where, changes = everywhere(state, where), []
    for group, name, value in ((RAW, "raw", raw), (CURATED, "curated", curated)):
        if value is None:
            continue
        if not places[group]:
            raise ValueError(f"the flow {u!r} → {v!r} has no {name} part; declare it with a positive share")
        share = _levels(state, value, f"round {state.round + 1}: the {name} share of {u}→{v}")
        state, some = _set_group(state, (u, v), name, places[group], share, where)
        changes += some
    return _whole(program, state), changes


def set_curation(program: Program, state: State, v: str, level: Any, where: Tensor | None = None) -> Changed:
    """Raise or lower the curation level of ``v``: curated shares ``· λ'/λ``, all others ``· (1−λ')/(1−λ)``."""
    state, changes = _curated(state, v, level, where)
    return _whole(program, state), changes


# -- what happens from outside -----------------------------------------------------------------------------------------


def intervene(program: Program, state: State, interventions: Sequence[Intervention]) -> Changed:
    """Let all that a round brings from outside happen, in every replicate, at once.

    Diets must be whole after it and not in between, so that one source may be swapped for another.
    """
    before, changes = state, []
    presence: dict[Subject, bool] = {}  # who comes and goes: thousands at once, so that they wait for it
    level: list[Effect] = []
    for _, effect in at_once(interventions, state.round + 1):
        what, subject, value = effect
        if what == "curation":
            level.append(effect)
        elif what == "frozen":
            state, some = set_frozen(program, state, str(subject), value)
            changes += some
        elif (subject not in state.absent) != value:
            presence[subject] = value
            changes += _logged(state, subject, "present", str(not value), str(value), everywhere(state, None))
    if presence:
        state = _present(state, presence)
    for _, subject, value in level:
        state, some = _curated(state, str(subject), value, None)
        changes += some
    moved = state.declared is not before.declared or state.absent != before.absent
    return _whole(program, state) if moved else state, changes


# -- clocks ------------------------------------------------------------------------------------------------------------


def set_schedule(program: Program, state: State, name: str, schedule: Schedule, where: Tensor | None = None) -> Changed:
    """Another schedule from this round on."""
    where, member = everywhere(state, where), state.wiring.index[name]
    own = [clock for clock in state.clocks if clock.member == member]
    changes = [
        change
        for old, here in _schedules(program, own, name).values()
        if old.apart() != schedule.apart()
        for change in _logged(state, name, "schedule", str(old), str(schedule), where & here)
    ]
    if not changes:
        return state, []
    one = schedule.map(lambda t: t.reshape(1, 1, 1, *t.shape))
    hidden = [clock for clock in own if bool((where | ~clock.where).all())]  # nothing is left of these
    kept = tuple(clock for clock in state.clocks if all(clock is not old for old in hidden))
    new = state.changed(clocks=(*kept, Clock(member, one, where)))
    return _whole(program, new), changes


def set_frozen(program: Program, state: State, name: str, frozen: bool, where: Tensor | None = None) -> Changed:
    """Stop or resume retraining; others still read the member."""
    where, i = everywhere(state, where), state.wiring.index[name]
    switch(frozen, f"round {state.round + 1}: whether {name!r} is frozen")
    new = state.frozen.clone()
    new[i] = torch.where(where, frozen, new[i])
    changes = _logged(state, name, "frozen", str(not frozen), str(frozen), where & (state.frozen[i] != frozen))
    return state.changed(frozen=new), changes


def _schedules(program: Program, own: list[Clock], name: str) -> dict[Hashable, tuple[Schedule, Tensor]]:
    """The schedules that a member has, and where; texts would not tell two functions apart, or close numbers."""
    everyone = torch.ones(program.cell, dtype=torch.bool, device=program.home.device)
    rows = torch.arange(len(program.scenarios), device=program.home.device).reshape(-1, 1)
    given = [(scenario.member(name).schedule, everyone & (rows == i)) for i, scenario in enumerate(program.scenarios)]
    found: dict[Hashable, tuple[Schedule, Tensor]] = {}
    for schedule, here in (*given, *((clock.schedule.take((0, 0, 0)), clock.where) for clock in own)):
        rest = {key: (old, there & ~here) for key, (old, there) in found.items()}  # the newest counts
        key = schedule.apart()
        found = rest | {key: (schedule, rest[key][1] | here if key in rest else here)}
    return found


# -- inside ------------------------------------------------------------------------------------------------------------


def _spread(state: State) -> Tensor:
    """Declared shares of their own for every replicate."""
    return state.declared.expand(-1, *state.alive.shape).contiguous().clone()


def _curated(state: State, v: str, level: Any, where: Tensor | None) -> Changed:
    """See :func:`set_curation`; whether the diet is whole is not asked."""
    where = everywhere(state, where)
    target = _levels(state, level, f"round {state.round + 1}: the curation level of {v!r}")
    parts = state.wiring.components
    here = [i for i in state.wiring.components_of(state.wiring.index[v]) if state.presence(i)]
    curated, raw = ([i for i in here if parts[i].group == group] for group in (CURATED, RAW))
    declared = _spread(state)
    old = declared[curated].sum(0)
    if bool((where & ~((old > 0) & (old < 1) & (target >= 0) & (target <= 1))).any()):  # a NaN is none of these
        raise ValueError(
            f"round {state.round + 1}: the curation level of {v!r} was to go from {old[where].tolist()} to "
            f"{target[where].tolist()}; it must lie between 0 and 1, and be neither of them before (then nobody knows "
            "what to curate: use set_flow)"
        )
    safe = torch.where(where, old, 0.5)
    for places, chosen in ((raw, False), (curated, True)):
        new = move_share(declared[places], chosen, safe, target)
        declared[places] = torch.where(where, new, declared[places])
    changes = _logged(state, v, "curation", old, target, where & ((old - target).abs() > TOLERANCE))
    return state.changed(declared=declared), changes


def _present(state: State, presence: Mapping[Subject, bool]) -> State:
    """Let members and flows come or go, in every replicate; the shares of what is absent are real data."""
    active, absent = state.active.clone(), set(state.absent)
    for subject, present in presence.items():
        if isinstance(subject, str):
            active[state.wiring.index[subject]] = present
        (absent.discard if present else absent.add)(subject)
    return state.changed(active=active, absent=frozenset(absent))


def _set_group(
    state: State, flow: tuple[str, str], what: str, places: list[int], value: Tensor, where: Tensor
) -> tuple[State, list[Change]]:
    """A new share, divided among the parts of a flow that different users choose as it was."""
    declared, value = _spread(state), value.expand(where.shape)
    if bool((where & ~((value >= 0) & (value <= 1 + TOLERANCE))).any()):
        raise ValueError(
            f"round {state.round + 1}: the {what} share of {label(flow)} must lie between 0 and 1, got {brief(value)}"
        )
    old = declared[places].sum(0)
    for i in places:
        alone = (
            state.wiring.components[i].chooses(where.shape, where.device).double()
        )  # from 0, all goes to those who choose now
        part = torch.where(old > 0, declared[i] / torch.where(old > 0, old, 1.0), alone)
        declared[i] = torch.where(where, value * part, declared[i])
    changes = _logged(state, flow, what, old, value, where & ((old - value).abs() > TOLERANCE))
    return state.changed(declared=declared), changes


def _logged(
    state: State, subject: Subject, what: str, before: Tensor | str, after: Tensor | str, where: Tensor
) -> list[Change]:
    return [Change(state.round + 1, subject, what, before, after, where.clone())] if bool(where.any()) else []


def _whole(program: Program, state: State) -> State:
    """The state with its declared shares in effect, if every diet is whole."""
    wiring, shares = state.wiring, in_effect(state)
    taken = shares.new_zeros(len(wiring.names), *shares.shape[1:])
    taken.index_add_(0, torch.from_numpy(wiring.target).to(shares.device), shares)
    fed = program.fed.clone()
    fed[[clock.member for clock in state.clocks if not clock.schedule.is_never]] = True
    fed = fed.reshape(-1, 1, 1)
    over = taken > 1 + TOLERANCE
    short = (taken < 1 - TOLERANCE) & fed & state.active
    for wrong, why in ((over, "more than 1"), (short, "less than 1, and it has no real data")):
        if bool(wrong.any()):
            i = int(wrong.nonzero()[0, 0])
            cell = state.alive.shape
            raise ValueError(
                f"round {state.round + 1}: shares of {wiring.names[i]!r} add up to "
                f"{float(taken[i].expand(cell)[wrong[i].expand(cell)][0]):.6g}, {why}; "
                "they must lie between 0 and 1, and what they leave over needs real data"
            )
    return state.changed(shares=shares)
