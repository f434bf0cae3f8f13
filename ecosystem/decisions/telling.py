"""What an allocation means, in words: one row a finding."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd

from ecosystem.core.words import called, counted, listed, number

MET = 1e-6  # residual of first-order conditions at which they are met
_SAME = 1e-9  # of welfare, relative, that is no gain


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
    def price(self) -> float: ...


def verdicts(found: Allocated) -> pd.DataFrame:
    """Columns subject, verdict, sentence: the allocation, the budget, stability, levers that do harm."""
    rows = [_itself(found), _budget(found), _stability(found), *_idle(found)]
    return pd.DataFrame(rows, columns=pd.Index(["subject", "verdict", "sentence"]))


def _itself(found: Allocated) -> tuple[str, str, str]:
    welfare = found.welfare
    what = f"{found.over} welfare ({found.objective})" if found.over else f"Welfare ({found.objective})"
    what, after = what[0].upper() + what[1:], float(welfare["after"])
    others = [(name, float(welfare[name])) for name in ("uniform", "selfish")]
    before = float(welfare["before"])
    if found.residual > MET:
        verdict, proof = "unproven", f"first-order conditions are missed by {number(found.residual)}: not shown optimal"
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
    some = listed(names[:5]) + (f" and {counted(len(names) - 5)} more" if len(names) > 5 else "")
    return [("levers", "harm", f"{some} would lower welfare if raised, even for nothing: best at the lower bound.")]
