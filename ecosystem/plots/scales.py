"""Scales of colours: ends that a few giants do not bleach, zero in the middle of what has a sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from ecosystem.core.words import number

LEFT_OUT = 0.02  # of the values at an end: they do not set the scale
FEWEST = 10  # values: with fewer each counts
ORDERS = 20  # times the median: where values reach further the scale is logarithmic
MIDDLE, STRONG = 0.55, 0.85  # of the way from zero to an end: from here on, other letters can be read
DARK = 0.62  # of the way from the low end to the high one


@dataclass(frozen=True)
class Ends:
    """The ends of a scale, if values lie ``below`` or ``above`` them, and where it ``bends`` to a logarithmic one."""

    low: float
    high: float
    below: bool = False
    above: bool = False
    bends: float | None = None

    def place(self, numbers: Any) -> Any:
        """Where numbers lie on the scale, in its own units: logarithms where it bends."""
        return np.sign(numbers) * np.log1p(np.abs(numbers) / self.bends) if self.bends else numbers

    @property
    def words(self) -> str:
        """What lies beyond the ends, and where colours are logarithmic; empty where neither is so."""
        far = [f"below {number(self.low)}"] * self.below + [f"above {number(self.high)}"] * self.above
        told = [f"values {' or '.join(far)} have the colour of the end"] if far else []
        told += [f"colours are logarithmic beyond ± {self.bends:g}"] if self.bends else []
        return "; ".join(told)


def ends(values: np.ndarray, centred: bool) -> Ends:
    """Ends for some numbers: robust ones; a logarithmic scale where numbers span orders of magnitude."""
    seen = np.sort(values[np.isfinite(values)])
    seen = seen if len(seen) else np.zeros(1)
    out = int(np.ceil(LEFT_OUT * len(seen))) if len(seen) >= FEWEST else 0
    sizes = np.sort(np.abs(seen[seen != 0]))
    most, top = (float(sizes[max(len(sizes) - 1 - out, 0)]), float(sizes[-1])) if len(sizes) else (1.0, 1.0)
    bend = float(10 ** np.ceil(np.log10(np.median(sizes)))) if len(sizes) else 1.0
    orders = len(sizes) > 2 and most > ORDERS * np.median(sizes) and bend < top
    if centred:
        end = most if top > 2 * most and not orders else top
        return Ends(-end, end, bool(seen[0] < -end), bool(seen[-1] > end), bend if orders else None)
    low, high = float(seen[0]), float(seen[-1])
    if orders:
        return Ends(low, high, bends=bend)
    inner = float(seen[out]), float(seen[-1 - out])
    span = inner[1] - inner[0]
    cuts = span > 0 and low < inner[0] - span, span > 0 and high > inner[1] + span
    low, high = inner[0] if cuts[0] else low, inner[1] if cuts[1] else high
    return Ends(low, high if high > low else low + 1, *cuts)


def coloured(column: str, found: Ends, title: str, centred: bool, sides: tuple[str, str] = ("", "")) -> alt.Color:
    """A column as colours between its ends, with what lies on either ``side`` of zero in words."""
    scale: dict[str, Any] = {"domain": [found.low, found.high], "range": "diverging" if centred else "ramp"}
    scale |= {"clamp": True, "nice": False}
    scale |= {"type": "symlog", "constant": found.bends} if found.bends else {"type": "linear"}
    middle = [0.0] if found.low < 0 < found.high else []
    ticks = {
        found.low: f"{number(found.low, digits=2)} {sides[0]}",
        found.high: number(found.high, digits=2, sign=centred),
    }
    ticks[found.high] += f" {sides[1]}"
    label = "".join(f"datum.value == {value!r} ? '{words.strip()}' : " for value, words in ticks.items()) + "'0'"
    legend = alt.Legend(title=title, values=[found.low, *middle, found.high], labelExpr=label, gradientLength=140)
    return alt.Color(f"{column}:Q", scale=alt.Scale(**scale), legend=legend)


def letters(values: np.ndarray, found: Ends, centred: bool = True) -> np.ndarray:
    """How strong the colour behind each number is: mild, middle or strong; a theme has a colour of letters for each."""

    if not centred:
        low, high = found.place(found.low), found.place(found.high)
        return np.where((found.place(values) - low) / (high - low) >= DARK, "strong", "mild")
    size = np.abs(found.place(values)) / found.place(found.high)
    return np.select([size >= STRONG, size >= MIDDLE], ["strong", "middle"], "mild")


def written(base: Any, column: str, size: int) -> list[Any]:
    """Texts on coloured cells, in letters that can be read there: ``base`` has a column ``letters``."""
    return [
        base.transform_filter(alt.FieldEqualPredicate(field="letters", equal=strength))
        .mark_text(fontSize=size, style=f"on-{strength}")
        .encode(alt.Text(f"{column}:N"))
        for strength in ("mild", "middle", "strong")
    ]
