"""What the page shows of a setting: the library's own numbers as tables, or its own words where there are none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from ecosystem.core.check import one_line
from ecosystem.explore.setting import Setting
from ecosystem.influence import Influence, StablePoint, influence, stable_point
from ecosystem.running.run import Run
from ecosystem.scenario import Scenario

SAME = 1e-12  # a difference below it is rounding
MEMBERS = 200  # up to so many are asked for their influence, which is a matrix of all pairs


@dataclass(frozen=True)
class Answer:
    """All that is known of a setting so far; what there is not is None, and a text says why.

    ``refused`` says why there is no such scenario, ``unsettled`` why there is no stable point, ``unmoved`` why there is
    no influence, ``unplayed`` why the population cannot be played. ``seconds`` went by until the matrix was there.
    """

    setting: Setting
    scenario: Scenario | None = None
    refused: str = ""
    point: StablePoint | None = None
    unsettled: str = ""
    effect: Influence | None = None
    unmoved: str = ""
    rounds: pd.DataFrame | None = None
    unplayed: str = ""
    seconds: float = 0.0
    done: bool = False

    @property
    def alignment(self) -> pd.Series | None:
        """Alignment of each member at the stable point."""
        return None if self.point is None else self.point.alignment

    @property
    def matrix(self) -> pd.DataFrame | None:
        """``dJ/dλ``: rows targets, columns sources."""
        return None if self.effect is None else self.effect.matrix

    @property
    def lawless(self) -> str:
        """Why only a sampled run can tell; empty where the population does."""
        return self.unplayed if self.done and self.point is None and self.rounds is None else ""


def answers(
    setting: Setting, build: Callable[..., Scenario], outdated: Callable[[], bool] = lambda: False
) -> Iterator[Answer]:
    """What is to be said of a setting, ever more: stable point and influence, then the population's rounds.

    The numbers are those of ``stable_point(scenario, starts=1)``, ``influence(scenario)`` and of a run on the
    population. Whatever is refused is a text; nothing raises.
    """
    began = time.perf_counter()
    try:
        scenario = setting.scenario(build)
    except Exception as error:
        yield Answer(setting, refused=_words(error), done=True)
        return
    now = Answer(setting, scenario)
    now = _settled(now)
    now = replace(_moved(now), seconds=time.perf_counter() - began)
    if outdated():
        return
    yield now
    yield replace(_played(now, outdated), done=True)


def _settled(now: Answer) -> Answer:
    assert now.scenario is not None
    try:
        point = stable_point(now.scenario, starts=1)
    except Exception as error:
        return replace(now, unsettled=_words(error))
    return replace(now, point=point) if point.found else replace(now, unsettled=point.message)


def _moved(now: Answer) -> Answer:
    if now.point is None or now.scenario is None:
        return replace(now, unmoved="influence is known at a stable point")
    if len(now.scenario.names) > MEMBERS:
        return replace(now, unmoved=f"of more than {MEMBERS} members a page does not show all pairs: influence() does")
    try:
        effect = influence(now.scenario, at=now.point)
        return replace(now, effect=effect if len(effect.matrix) else None)
    except Exception as error:
        return replace(now, unmoved=_words(error))


def _played(now: Answer, outdated: Callable[[], bool]) -> Answer:
    assert now.scenario is not None
    try:
        run = now.scenario.replace(samples=None).run(until=lambda view: outdated())
        return replace(now, rounds=run.rounds)
    except Exception as error:
        return replace(now, unplayed=_words(error))


def _words(error: Exception) -> str:
    """An error as the page shows it: the library's own refusals as they are, others with their kind."""
    text = one_line(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return text if isinstance(error, (ValueError, KeyError)) else f"{type(error).__name__}: {text}"


def compared(now: Answer, pinned: Answer) -> pd.DataFrame:
    """What changed since the pinned setting, the largest change first: columns what, pinned, now, change.

    Rows are alignments of members and effects of pairs; a number that is in one of the two alone is NaN in the other.
    """
    before, after = _numbers(pinned), _numbers(now)
    table = pd.DataFrame({"pinned": before, "now": after}).reindex(pd.Index([*after, *(set(before) - set(after))]))
    table["change"] = table["now"] - table["pinned"]
    gone = table["pinned"].isna() != table["now"].isna()
    size = 1 + table["pinned"].abs().replace(math.inf, 0.0)  # from an effect without end every change is one
    table = table[gone | (table["change"].abs() > SAME * size)]
    table = table.sort_values("change", key=lambda change: -change.abs(), kind="stable", na_position="last")
    return table.rename_axis("what").reset_index()


def _numbers(answer: Answer) -> dict[str, float]:
    found = {}
    if answer.alignment is not None:
        found = {f"alignment of {name}": float(value) for name, value in answer.alignment.items()}
    if answer.matrix is not None:
        for source in answer.matrix:
            column = answer.matrix[source].items()
            found |= {f"effect of {source} on {target}": float(value) for target, value in column}
    return found


def moved(now: Setting, pinned: Setting) -> list[str]:
    """How two settings differ, a sentence each."""
    names = dict.fromkeys((*pinned.parameters, *now.parameters))
    pairs = [(name, pinned.parameters.get(name), now.parameters.get(name)) for name in names]
    found = [f"{name}: {old!r} → {new!r}" for name, old, new in pairs if old != new]
    found += [f"without {u} → {v}" for u, v in now.removed if (u, v) not in pinned.removed]
    found += [f"{u} → {v} put back" for u, v in pinned.removed if (u, v) not in now.removed]
    for name in dict.fromkeys((*pinned.levels, *now.levels)):
        if pinned.levels.get(name) != now.levels.get(name):
            at = now.levels.get(name)
            found.append(f"curation of {name}: {'as the parameters have it' if at is None else at.level}")
    return found


def sampled(
    scenario: Scenario,
    samples: int,
    replicates: int,
    seed: int,
    tell: Callable[[int, int], object],
    stop: Callable[[], bool],
) -> Run:
    """A run with samples: the scenario's own number of them where it has one, else ``samples``; ``stop`` ends it."""
    ready: Any = scenario if scenario.samples is not None else scenario.replace(samples=samples)
    return ready.run(seed=seed, replicates=replicates, progress=tell, until=lambda view: stop())
