"""Failures: where and why a replicate diverged, or could not be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecosystem.engine.judging import users_of
from ecosystem.engine.state import State
from ecosystem.engine.step import EXPLODED, Played


@dataclass(frozen=True)
class Failure:
    """A replicate that diverged, or whose output could not be judged."""

    round: int
    member: int
    variant: int
    replicate: int
    error: str


def lost(names: Sequence[str], number: int, played: Played) -> list[Failure]:
    """The replicates that were stopped in a round."""
    found = []
    for i, variant, replicate in played.lost.nonzero().tolist():
        exploded = f"the parameters of {names[i]!r} became NaN or larger than {EXPLODED:g} in round {number}"
        found.append(Failure(number, i, variant, replicate, played.why.get((i, variant, replicate), exploded)))
    return found


def unjudged(names: Sequence[str], state: State, alignments: np.ndarray, known: Sequence[Failure]) -> list[Failure]:
    """Those whose alignment ``[members, variants, replicates]`` is no finite number though they have a reward; once."""
    finite = np.isfinite(alignments)
    if finite.all():
        return []
    wrong = ~finite & state.alive.cpu().numpy()
    if not wrong.any():
        return []
    wrong &= np.array([bool(judges) for judges in state.wiring.judges]).reshape(-1, 1, 1)  # others are NaN for ever
    before = {(failure.member, failure.variant, failure.replicate) for failure in known}
    found = []
    for i, variant, replicate in np.argwhere(wrong).tolist():
        if (i, variant, replicate) in before:
            continue
        users = users_of(state, i, variant, replicate)
        if users is not None and users.reward is not None:
            error = (
                f"the alignment of {names[i]!r} is {alignments[i, variant, replicate]} in round {state.round}: the "
                f"reward {users.reward} is NaN or infinite for what it makes"
            )
            found.append(Failure(state.round, i, variant, replicate, error))
    return found
