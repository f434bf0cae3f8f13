"""Why a measured effect is missing, or is one of fewer rounds: who was not there, and what was never a number."""

from __future__ import annotations

import numpy as np

from ecosystem.core.words import joined
from ecosystem.influence.pairs import Pairs


def absences(pairs: Pairs, targets: list[str], burn_in: int) -> list[str]:
    """What kept members out of the averaged rounds, those after ``burn_in``: a sentence for each that was not in all.

    Looked at in the paired runs in which neither side diverged.
    """
    sentences = []
    for k, source in enumerate(pairs.sources):
        alive = pairs.alive[k]
        if alive.any():
            words = [_told(target, pairs.there[k, j][:, alive], burn_in) for j, target in enumerate(targets)]
            sentences += [word for word in words if word]
            own = _told(source, pairs.acting[k][:, alive], burn_in)
            if own and source not in targets:
                sentences.append(f"{own.split(', so ')[0]}, and moves nothing while it is away")
    return sentences


def _told(name: str, there: np.ndarray, burn_in: int) -> str:
    """When a member was away, from ``there [rounds, pairs]``; empty where it was there in all averaged rounds."""
    late = there[burn_in + 1 :]
    some = ~late.all(0)
    if not some.any():
        return ""
    mine = there[:, some]
    left, came = mine[:-1] & ~mine[1:], ~mine[:-1] & mine[1:]
    came[: burn_in + 1] = False  # who is there in time is no matter
    for pair, here in enumerate(mine.T):
        back = np.flatnonzero(here[: burn_in + 2])  # nor are earlier absences, and the way into the last of them is
        left[: back[-1] if len(back) else burn_in + 1, pair] = False
    moves = [f"{verb} {_rounds(moved)}" for verb, moved in (("left", left), ("joined", came)) if moved.any()]
    few = f" (in {int(some.sum())} of {there.shape[1]} paired runs)" if not some.all() else ""
    none = "there is no effect" if not late.any() else "its effect is one of the rounds in which it was there"
    return f"{name!r} {' and '.join(moves) or 'was never there'}{few}, so {none}"


def _rounds(moved: np.ndarray) -> str:
    """The rounds of moves ``[rounds, pairs]`` in a sentence: each, or from when to when where paired runs differ."""
    rounds = (np.flatnonzero(moved.any(1)) + 1).tolist()
    alike = (moved == moved[:, :1]).all()
    if len(rounds) == 1:
        return f"in round {rounds[0]}"
    return f"in rounds {joined(list(map(str, rounds))) if alike else f'{rounds[0]} to {rounds[-1]}'}"


def unsaid(pairs: Pairs, targets: list[str], name: str, burn_in: int) -> list[str]:
    """The members of whom a measure called ``name`` said nothing (NaN) in all averaged rounds that they were there."""
    sentences = []
    for k in range(len(pairs.sources)):
        there = pairs.there[k, :, burn_in + 1 :] & pairs.whole[k, :, None]
        silent = (there & ~pairs.counted[k, :, burn_in + 1 :]).sum((1, 2))
        for j in np.flatnonzero(silent):
            if silent[j] == there[j].sum():  # elsewhere rounds without a number do not count, as is said
                sentences.append(f"{name} of {targets[j]!r} is NaN in all averaged rounds, so there is no effect")
    return sentences
