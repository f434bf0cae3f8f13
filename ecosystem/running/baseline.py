"""Nobody reads anybody: what members would be on their own real data alone, which verdicts on a run compare with.

Every flow is cut and its shares are given back to real data; then the same rounds are played, with the same draws,
schedules, and comings and goings of members. Members without real data keep their start.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ecosystem.core.laws import NoPopulationLaw
from ecosystem.engine.diets import Change, set_frozen
from ecosystem.engine.judging import Taste, alignments, tastes
from ecosystem.engine.looped import Looped, Stack
from ecosystem.engine.program import Program
from ecosystem.engine.state import State, in_effect
from ecosystem.engine.step import step
from ecosystem.engine.wiring import REAL
from ecosystem.generators import ClosedForm
from ecosystem.running.measures.archive import Archive

REFITTED, DATA, START = "refitted", "data", "start"


def baseline(
    program: Program,
    state: State,
    changes: Sequence[Change],
    variant: int,
    seeds: Sequence[tuple[int, int]],
    judged: int,
) -> pd.DataFrame:
    """The table ``baseline``: seed, replicate, member, alignment, of; a row for each member with a taste.

    Its users are those of ``state``, the end of the run; ``of`` says whom they judge:

    - ``refitted``: the member, retrained on its own real data alone in every round in which it was due;
    - ``data``: its real data themselves, where models are trained one by one and that once more would take as long as
      the run did: what a perfect fit would be worth;
    - ``start``: the member as it began, where it has no real data, was never due, or an agent set when it is.
    """
    values, kinds = _alone(program, state, changes, judged)
    found = values[:, variant].cpu().numpy().T  # [replicates, members]
    places, members = np.nonzero(~np.isnan(found))
    pairs = np.array(seeds, dtype=np.int64).reshape(-1, 2)[places]
    names = np.array(program.names, dtype=object)
    columns = {"seed": pairs[:, 0], "replicate": pairs[:, 1], "member": names[members]}
    return pd.DataFrame({**columns, "alignment": found[places, members], "of": kinds[members, variant, places]})


def _alone(program: Program, state: State, changes: Sequence[Change], judged: int) -> tuple[Tensor, np.ndarray]:
    """Alignments and what they are of, ``[members, variants, replicates]``: variants ask for theirs one by one."""
    source = (state.wiring, state.audience, *changes)
    asked, before, found = program.memo.get("baseline", (None, (), None))
    same = len(before) == len(source) and all(a is b for a, b in zip(before, source, strict=True))
    if asked != (state.round, judged) or not same:
        found = _worked_out(program, state, changes, judged)
        program.memo["baseline"] = (state.round, judged), source, found
    return found


def _worked_out(program: Program, state: State, changes: Sequence[Change], judged: int) -> tuple[Tensor, np.ndarray]:
    now, updated = _played(program, state, changes)
    values = alignments(program, state.with_now(now), state.round, judged)
    kinds = np.where(updated.cpu().numpy(), REFITTED, START).astype(object)
    archive = Archive(program)
    for c in program.looped & set(range(len(program.cohorts))):
        for taste in tastes(program, state, c):
            for row, i in enumerate(taste.members.tolist()):
                worth = _of_data(archive, taste, row, program.names[i], judged)
                if worth is not None:
                    where = torch.ones_like(state.alive) if taste.where is None else taste.where[row]
                    values[i] = torch.where(where, worth, values[i])
                    kinds[i] = DATA
    return values, kinds


def _played(program: Program, end: State, changes: Sequence[Change]) -> tuple[tuple[Stack, ...], Tensor]:
    """The generators after as many rounds without any flow, and who has retrained, ``[members, variants, replicates]``.

    Members that are trained one by one do not retrain, nor do those without real data; nor those whose schedule an
    agent has set: ``changes`` tells it in words alone, so their start stands.
    """
    first = program.first
    fed = first.wiring.target[first.wiring.group == REAL]
    kept = np.setdiff1d(np.arange(len(program.names)), fed).tolist()
    kept += [program.index[c.subject] for c in changes if c.what == "schedule" and isinstance(c.subject, str)]
    kept += [i for c in program.looped & set(range(len(program.cohorts))) for i in program.cohorts[c].ids]
    still = torch.zeros_like(first.frozen)
    still[kept] = True
    now = first.changed(declared=torch.zeros_like(first.declared), frozen=first.frozen | still)
    now = now.changed(shares=in_effect(now))
    updated = torch.zeros_like(first.frozen)
    happened: dict[int, list[Change]] = {}
    for change in changes:
        happened.setdefault(change.round, []).append(change)
    resting = still.clone()
    while now.round < end.round and not bool(resting.all()):
        for change in happened.get(now.round + 1, ()):
            now = _changed(program, now, change)
        before = now.changed(frozen=now.frozen | still)
        now, played = step(program, before)
        updated |= played.updated
        resting |= _at_rest(program, before, now) & played.updated
    return now.now, updated


def _at_rest(program: Program, before: State, after: State) -> Tensor:
    """Who stays what it is for ever if it has just retrained: its data are the same law in every round.

    ``[members, variants, replicates]``; nobody where anything is drawn or remembered.
    """
    out = torch.zeros_like(before.frozen)
    for cohort, old, new in zip(program.cohorts, before.now, after.now, strict=True):
        if program.samples is not None or cohort.retention.remembers:
            continue
        if isinstance(old, ClosedForm) and isinstance(new, ClosedForm):
            shape = out[cohort.index].shape
            pairs = zip(old.tensors().values(), new.tensors().values(), strict=True)
            same = torch.stack([(a == b).reshape(*a.shape[:3], -1).all(-1).expand(shape) for a, b in pairs])
            out[cohort.index] = same.all(0)
    return out


def _changed(program: Program, state: State, change: Change) -> State:
    """The state after what happened to a member itself: it was frozen or thawed, it came or went."""
    subject, yes = change.subject, change.after == "True"
    if not isinstance(subject, str):
        return state
    if change.what == "frozen":
        return set_frozen(program, state, subject, yes, change.where)[0]
    if change.what == "present":
        active = state.active.clone()
        active[program.index[subject]] = yes
        return state.changed(active=active)
    return state


def _of_data(archive: Archive, taste: Taste, row: int, name: str, judged: int) -> Tensor | None:
    """What users think of a member's real data, ``[variants, replicates]``; None where it has none."""
    source, program = archive.source(name), archive.program
    if source is None:
        return None
    reward, (variants, replicates) = taste.reward.take(slice(row, row + 1)), program.cell
    if not isinstance(source, Looped):
        try:
            return source.map(lambda t: t.unsqueeze(0)).expect(reward)[0].double().expand(variants, replicates)
        except NoPopulationLaw:
            pass
    samples = archive.samples(name, judged)
    assert samples is not None
    return reward.judge(samples[None], 4)[0].detach().double().mean(-1)
