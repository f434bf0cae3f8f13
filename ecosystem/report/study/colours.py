"""The colours of heat maps: scales that a few giants do not bleach, one for all names or one for each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import Normalize, SymLogNorm

from ecosystem.report.study.quantity import Plot, Quantity

LEFT_OUT = 0.02  # of the values at an end: they do not set the scale
FEWEST = 10  # values: with fewer each counts
ORDERS = 20  # times the median: where values reach further the scale is logarithmic
APART = 5  # names whose scales differ by more have one each


@dataclass(frozen=True, eq=False)
class Scale:
    """The colours of some names: their ``norm``, and whether values lie beyond its ``low`` or its ``high`` end."""

    norm: Normalize
    low: bool = False
    high: bool = False

    @property
    def extend(self) -> str:
        """As matplotlib calls it."""
        return {(False, False): "neither", (True, False): "min", (False, True): "max"}.get(
            (self.low, self.high), "both"
        )

    @property
    def ends(self) -> tuple[float, float]:
        return float(self.norm.vmin or 0), float(self.norm.vmax or 0)


def scales(plot: Plot, members: list[int]) -> dict[int, Scale]:
    """The scale of every name: the same object for all, unless that would hide the differences of one of them."""
    values = {i: np.concatenate([part.shown.mean[i] for _, part in plot.parts]) for i in members}
    together = scale(plot.quantity, np.concatenate(list(values.values())))
    if plot.quantity.share or len(members) == 1:
        return dict.fromkeys(members, together)
    own = {i: scale(plot.quantity, found) for i, found in values.items()}
    spans = [own[i].ends[1] - own[i].ends[0] for i in members if np.ptp(_seen(values[i])) > 0]
    whole = together.ends[1] - together.ends[0]
    return own if spans and max(whole, *spans) > APART * min(spans) else dict.fromkeys(members, together)


def scale(quantity: Quantity, values: np.ndarray) -> Scale:
    """A scale for some numbers: linear between robust ends, logarithmic where they span orders of magnitude."""
    if quantity.share:
        return Scale(Normalize(0, 1))
    seen = np.sort(_seen(values))
    out = int(np.ceil(LEFT_OUT * len(seen))) if len(seen) >= FEWEST else 0
    sizes = np.sort(np.abs(seen[seen != 0]))
    most, top = (float(sizes[max(len(sizes) - 1 - out, 0)]), float(sizes[-1])) if len(sizes) else (1.0, 1.0)
    bend = float(10 ** np.ceil(np.log10(np.median(sizes)))) if len(sizes) else 1.0
    orders = len(sizes) > 2 and most > ORDERS * np.median(sizes) and bend < top
    if quantity.centred:
        if orders:
            return Scale(SymLogNorm(bend, vmin=-top, vmax=top))
        cut = top > 2 * most
        end = most if cut else top
        return Scale(Normalize(-end, end), cut and bool(seen[0] < -end), cut and bool(seen[-1] > end))
    low, high = float(seen[0]), float(seen[-1])
    if orders:
        return Scale(SymLogNorm(bend, vmin=low, vmax=high))
    inner = float(seen[out]), float(seen[-1 - out])
    span = inner[1] - inner[0]
    cuts = span > 0 and low < inner[0] - span, span > 0 and high > inner[1] + span
    low, high = inner[0] if cuts[0] else low, inner[1] if cuts[1] else high
    return Scale(Normalize(low, high if high > low else low + 1), *cuts)


def _seen(values: np.ndarray) -> np.ndarray:
    seen = values[np.isfinite(values)]
    return seen if len(seen) else np.zeros(1)
