"""Effects that turn round: a parameter that raises a member's alignment here and lowers it there."""

from __future__ import annotations

import numpy as np

from ecosystem.core.chance import most_by_chance
from ecosystem.core.words import joined, shortened
from ecosystem.study.outcomes.measuring import Numbers
from ecosystem.study.outcomes.sample import Sample
from ecosystem.study.outcomes.sweep import FEW, Parameter, Sweep

MOST = 3000  # choices of the other parameters that are looked at
CHANCE = 0.025  # of unchanged ones look risen by chance, and as many fallen


def turning(found: Numbers, sweep: Sweep, parameter: Parameter, size: np.ndarray) -> dict[int, str]:
    """The names for which a parameter does both, with words that say where: ``rises with {name} at ... and falls at``.

    It compares its last value with its first, seed by seed, at every choice of all other parameters, and counts the
    differences that are clear; a mean over those choices would hide that they have two signs.
    """
    others = [p for p in sweep.swept if p is not parameter]
    if sweep.scattered or not others or (not parameter.number and len(parameter) > 2):
        return {}
    choice = np.unique(np.stack([p.level for p in others]), axis=1, return_inverse=True)[1].ravel()
    if choice.max() >= MOST:
        return {}
    groups = [points[np.argsort(parameter.level[points])] for points in _bundles(choice)]
    turned = {}
    for i in range(len(found.names)):
        signs, firsts = _signs(found.sample.only([i]), groups, float(size[i]))
        least = most_by_chance(max(len(signs), 1), CHANCE)
        if min((signs == 1).sum(), (signs == -1).sum()) > (least if found.sample.stray[i].any() else 0):
            turned[i] = _told(parameter, others, signs, firsts)
    return turned


def _bundles(choice: np.ndarray) -> list[np.ndarray]:
    order = np.argsort(choice, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(choice[order])) + 1)


def _signs(sample: Sample, groups: list[np.ndarray], size: float) -> tuple[np.ndarray, np.ndarray]:
    """Of every choice with two values seen: 1 risen, −1 fallen, 0 not clear; and a point of it."""
    signs, firsts = [], []
    for points in groups:
        seen = points[np.isfinite(sample.mean[0, points])]
        if len(seen) > 1:
            signs.append(float(sample.minus(seen[-1], seen[0]).sign(size)[0, 0]))
            firsts.append(int(seen[0]))
    return np.array(signs), np.array(firsts, dtype=int)


def _told(parameter: Parameter, others: list[Parameter], signs: np.ndarray, points: np.ndarray) -> str:
    """Where it rises and where it falls: by the values of one other parameter if those tell, else counted."""
    if parameter.number:
        up, down = "rises with {name}", "falls with {name}"
    else:
        last, first = (_plain(shortened(parameter.labels[level], 24)) for level in (1, 0))
        up, down = (f"is {way} at {{name}} {last} than at {first}" for way in ("higher", "lower"))
    for p in others:
        if where := _split(p, signs, points, up, down):
            return where
    for q in (p for p in others if len(p) <= FEW):
        for p in (p for p in others if p is not q):
            here = [(level, q.level[points] == level) for level in range(len(q))]
            told = [(level, _split(p, signs[at], points[at], up, down)) for level, at in here]
            if all(words is not None for _, words in told):
                return "; it ".join(f"{words}, with {_plain(q.at(level))}" for level, words in told if words)
    counts = [int((signs == sign).sum()) for sign in (1, -1)]
    every = f"{len(signs):,} choices of the other parameters"
    return f"{up} at {counts[0]:,} of {every}, and {_again(down)} at {counts[1]:,}"


def _again(words: str) -> str:
    """A verb for the second time: ``falls``, ``lower``."""
    return words.removeprefix("is ").split()[0]


def _split(p: Parameter, signs: np.ndarray, points: np.ndarray, up: str, down: str) -> str | None:
    """Where it rises and falls by the values of ``p``: empty if it does neither, None if it does both at one value."""
    levels = p.level[points]
    risen, fallen = (np.unique(levels[signs == sign]) for sign in (1, -1))
    if set(risen) & set(fallen):
        return None
    tried, clauses = np.unique(levels), []
    for verb, some in ((up, risen), (_again(down) if len(risen) else down, fallen)):
        if len(some):
            name = "" if clauses else f"{_plain(shortened(p.name))} "
            clauses.append(f"{verb} at {name}{_values(p, some, tried)}")
    return ", and ".join(clauses)


def _values(p: Parameter, levels: np.ndarray, tried: np.ndarray) -> str:
    """Levels in words: a range where they are neighbours."""
    between = tried[(tried >= levels[0]) & (tried <= levels[-1])]
    if p.number and len(levels) > 2 and len(between) == len(levels):
        return f"{p.labels[levels[0]]} to {p.labels[levels[-1]]}"
    return joined([_plain(shortened(p.labels[level], 24)) for level in levels])


def _plain(text: str) -> str:
    """A name in words into which another will be set: its braces are its own."""
    return text.replace("{", "{{").replace("}", "}}")
