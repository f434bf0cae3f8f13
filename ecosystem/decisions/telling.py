"""What an allocation means, in words: one row a finding."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd

from ecosystem.core.words import called, counted, joined, listed, number

MET = 1e-6  # residual of first-order conditions at which they are met
_MOVED = 1e-6  # of a level, that is no move
_FEW = 3  # levers named in a sentence
_SAME = 1e-9  # of welfare, relative, that is no gain
_ALIKE = 1e-6  # of welfare, relative, that tells no ends of a search apart


class Allocated(Protocol):
    """What verdicts are made of."""

    @property
    def objective(self) -> str: ...

    @property
    def over(self) -> str: ...

    @property
    def budget(self) -> float: ...

    @property
    def spent(self) -> float: ...

    @property
    def margin(self) -> float: ...

    @property
    def levels(self) -> pd.DataFrame: ...

    @property
    def welfare(self) -> pd.Series: ...

    @property
    def multipliers(self) -> pd.DataFrame: ...

    @property
    def residual(self) -> float: ...

    @property
    def radius(self) -> float: ...

    @property
    def starts(self) -> pd.DataFrame: ...

    @property
    def price(self) -> float: ...

    @property
    def doubts(self) -> tuple[str, ...]: ...


def verdicts(found: Allocated) -> pd.DataFrame:
    """Columns subject, verdict, sentence: the allocation, the search, the budget, stability, levers that do harm."""
    rows = [_itself(found), _search(found), _budget(found), _stability(found), *_idle(found)]
    rows += [("derivatives", "doubtful", text) for text in found.doubts]
    return pd.DataFrame(rows, columns=pd.Index(["subject", "verdict", "sentence"]))


def advice(found: Allocated) -> str:
    """Where to spend, in words: the levers that rise most, those that fall to a bound, and what it gains."""
    rows, welfare = found.levels, found.welfare
    rise = (rows["after"] - rows["before"]).sort_values(ascending=False, kind="stable")
    top = rows.loc[rise[rise > _MOVED].index[:_FEW]]
    moved = [f"{called(r.lever)} ({number(r.before)} to {number(r.after)})" for r in top.itertuples()]
    start = f"Raise {joined(moved)}" if moved else "Raise nothing"
    more = int((rise > _MOVED).sum()) - len(moved)
    start += f", and {counted(more)} more by less" if more else ""
    cut = rows.loc[rise < -_MOVED, "lever"]
    start += f"; lower {_some(cut)}" if len(cut) else ""
    before, after = float(welfare["before"]), float(welfare["after"])
    if not np.isfinite(before):
        return f"{start}: welfare ({found.objective}) is then {number(after, digits=4)}."
    gain = f"gains {number(after - before)}, from {_value(before)} to {number(after, digits=4)}"
    if after < before:  # the present levels may cost more than the budget
        gain = f"falls by {number(before - after)}, from {_value(before)} to {number(after, digits=4)}"
    return f"{start}: welfare ({found.objective}) {gain}."


def _some(names: pd.Series) -> str:
    words = [called(name) for name in names]
    return listed(words, _FEW) if len(words) > _FEW else joined(words)


def plain(found: Allocated) -> list[str]:
    """What the uniform and the selfish plan are, and why they coincide where they do."""
    rows, purse = found.levels, found.budget / max(len(found.levels), 1)
    text = (
        "The plans keep to the budget: uniform has all levels alike; selfish gives everybody an equal purse, spent on "
    )
    text += "its own level as far as its own alignment wants."
    if not np.allclose(rows["uniform"], rows["selfish"], rtol=0, atol=_MOVED):
        return [text]
    whole = np.allclose(rows["cost"] * rows["selfish"], purse, rtol=0, atol=_MOVED)
    why = ": everybody spends the whole of its purse" if whole else " here"
    return [text, f"Uniform and selfish plan are the same{why}."]


def _itself(found: Allocated) -> tuple[str, str, str]:
    welfare = found.welfare
    what = f"{found.over} welfare ({found.objective})" if found.over else f"Welfare ({found.objective})"
    what, after = what[0].upper() + what[1:], float(welfare["after"])
    others = [(name, float(welfare[name])) for name in ("uniform", "selfish")]
    before = float(welfare["before"])
    if found.residual > MET:
        verdict, proof = "unproven", f"first-order conditions are missed by {number(found.residual)}: not shown optimal"
    elif found.doubts:
        verdict, proof = "unproven", "not shown optimal, as derivatives mean little here"
    else:
        verdict, proof = "local optimum", "first-order conditions are met"
    unit = max((abs(value) for value in map(float, welfare) if np.isfinite(value)), default=0.0)
    same = [name for name, value in others if np.isfinite(value) and after <= value + _SAME * unit]
    shown = _lost if found.over == "regret" else _value
    beaten = [f"{shown(value)} {name}" for name, value in others if name not in same]
    parts = [f"{what} is {number(after, digits=4)}, from {_value(before)} before"]
    if found.over == "regret":
        below = "at most so much less than each world's own best plan gives"
        parts = [f"Largest regret ({found.objective}) is {_lost(after)}: {below}", f"from {_lost(before)} before"]
    parts += [f"against {listed(beaten)}"] if beaten else []
    parts += [f"which the {listed(same)} plan has already"] if same else []
    return "allocation", verdict, f"{', '.join(parts)}; {proof}."


def _search(found: Allocated) -> tuple[str, str, str]:
    """Whether the search ends at one welfare from wherever it begins, and where else it does."""
    ends = found.starts[~found.starts["start"].isin(["uniform plan", "selfish plan"])]  # those are no searches
    welfare, after = ends["welfare"], float(found.welfare["after"])
    unit = float(welfare.abs().replace(np.inf, np.nan).max())
    here, nowhere = welfare >= after - _ALIKE * unit, ~np.isfinite(welfare)
    lower = ends[~here & ~nowhere]
    many = counted(len(ends), "start")
    if here.all():
        words = f"All {many} of the search end" if len(ends) > 1 else "The one start of the search ends"
        return "search", "ends alike", f"{words} at this welfare."
    words = f"{counted(int(here.sum())).capitalize()} of {many} of the search {_ends(int(here.sum()))} at this welfare"
    if not here.any():
        words = f"None of {many} of the search ends at this welfare: a plain plan has it"
    if len(lower):
        missed, met = float(lower["residual"].max()), int((lower["residual"] <= MET).sum())
        shown = _lost if found.over == "regret" else _value
        words += f"; {counted(len(lower))} {_ends(len(lower))} {'higher' if found.over == 'regret' else 'lower'}, "
        words += f"at {shown(float(lower['welfare'].min()))}{' at worst' if len(lower) > 1 else ''}"
        told = [f"{counted(met)} {'is a local optimum' if met == 1 else 'are local optima'}"] if met else []
        told += [f"first-order conditions are missed by up to {number(missed)}"] if missed > MET else []
        words += f" ({', '.join(told)})"
    words += f"; {counted(int(nowhere.sum()))} without a stable network" if nowhere.any() else ""
    return "search", "ends apart" if len(lower) else "ends alike", f"{words}."


def _ends(count: int) -> str:
    return "ends" if count == 1 else "end"


def _value(value: float) -> str:
    return number(value, digits=4) if np.isfinite(value) else ("minus infinity" if value < 0 else "no stable network")


def _lost(value: float) -> str:
    """A regret, of the welfare that is minus it."""
    return number(max(0.0, -value), digits=4) if np.isfinite(value) else _value(value)


def _budget(found: Allocated) -> tuple[str, str, str]:
    spent = f"{number(found.spent)} of {number(found.budget)} is spent"
    if found.price > 0:
        return "budget", "binds", f"{spent}; one more unit would buy {number(found.price)} of welfare."
    return "budget", "left over" if found.spent < found.budget - 1e-9 else "free", f"{spent}; more would buy nothing."


def _stability(found: Allocated) -> tuple[str, str, str]:
    binds = bool((found.multipliers["kind"] == "stability").any())
    radius = f"The radius of the network is {number(found.radius, digits=4)}"
    if binds:
        return (
            "stability",
            "binds",
            f"{radius}, as large as margin={found.margin:g} allows: welfare would go on beyond.",
        )
    return "stability", "kept", f"{radius}, below {1 - found.margin:g}."


def _idle(found: Allocated) -> list[tuple[str, str, str]]:
    """Levers whose present value costs nothing to keep, and which are best lowered all the same: they backfire."""
    rows = found.levels
    harmful = rows[(rows["gradient"] < 0) & (rows["bound"] == "lower") & (rows["before"] > rows["after"])]
    names = [called(name) for name in harmful["lever"]]
    if not names:
        return []
    some = f"{listed(names[:5])} and {counted(len(names) - 5)} more" if len(names) > 5 else joined(names)
    return [("levers", "harm", f"{some} would lower welfare if raised, even for nothing: best at the lower bound.")]
