"""What stands below each figure of a study, and what is read aloud in its place."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import SymLogNorm

from ecosystem.core.words import counted, joined, number
from ecosystem.report.look import shortened
from ecosystem.report.study.colours import scales
from ecosystem.report.study.curves import cuts
from ecosystem.report.study.dots import categories
from ecosystem.report.study.maps import DOTTED, VECTORS, drawn
from ecosystem.report.study.quantity import NAMED, PANELS, Plot


def along(plot: Plot) -> tuple[str, str]:
    """Caption and alternative text of curves over one parameter."""
    quantity, x = plot.quantity, plot.x
    others = len(plot.sweep.swept) > 1
    what = "line" if x.number else "dot"
    if quantity.many:
        words = f"How {len(quantity.names):,} members are spread"
        if x.number:
            named = [shortened(quantity.names[i]) for i in quantity.strongest(NAMED)]
            words += f"; the lines are those that move most, {joined(named)}"
    else:
        named = "the one named at its end" if x.number else "the one that the key names"
        words = f"Each {what} is {'the mean over seeds' if _bands(plot) else named}"
    if others:
        words += f", averaged over all other parameters ({_others(plot)})"
    words = [words + "."]
    if x.grouped:
        words.append(f"Neighbouring values of {shortened(x.name)} are taken together, in {len(x)} groups.")
    if len(categories(plot)) < len(x) and not x.number:
        words.append(f"Of {len(x):,} values, those with the highest and the lowest alignment.")
    words += _bands(plot) if not quantity.many else []
    if quantity.base is not None and not quantity.many:
        words.append(f"{'Faint dotted lines' if x.number else 'Hollow dots'} are {quantity.basis}.")
    if len(quantity.panels) > 1:
        words.append("Members whose users like the same share a panel; each panel has a scale of its own.")
    words += _bent(plot) + _failures(plot, "at values where points failed")
    mean = plot.along.mean
    parts = []
    for i in quantity.strongest(NAMED if quantity.many else PANELS):
        seen = np.flatnonzero(np.isfinite(mean[i]))
        if len(seen):
            first, last = seen[0], seen[-1]
            ends = f"{number(mean[i][first])} at {x.labels[first]}, {number(mean[i][last])} at {x.labels[last]}"
            parts.append(f"{shortened(quantity.names[i])} {ends}")
    kind = "Line chart" if x.number else "Dot chart"
    return " ".join(words), f"{kind} of {quantity.label} by {shortened(x.name)}: {'; '.join(parts)}."


def maps(plot: Plot) -> tuple[str, str]:
    """Caption and alternative text of heat maps, or of coloured points."""
    assert plot.y is not None
    quantity, gridded, members = plot.quantity, plot.gridded, drawn(plot)
    words = ["Each cell is one choice of both parameters." if gridded else "Each dot is a point of the study."]
    if plot.few:
        words = [f"One panel for each value of {joined([shortened(p.name) for p in plot.few])}."]
    if others := _others(plot):
        told = f"is an average over {others}" if gridded else f"is a point, whatever its {others}"
        words = [*(words if plot.few else []), f"Each {'cell' if gridded else 'dot'} {told}."]
    if not gridded and plot.sweep.points > VECTORS:
        words = ["Each hexagon has the mean of the points that lie in it."]
    words += _coloured(plot, members)
    words += [f"Numbers are differences from {quantity.basis}."] if quantity.basis and quantity.centred else []
    shown = [part for _, part in plot.parts]
    if gridded:
        signs = np.concatenate([part.signs[members] for part in shown])
        if _both(signs) and plot.x.number and plot.y.number:
            words.append("The black line divides the two." if quantity.centred else "The black line is at zero.")
        if quantity.centred and (signs == 0).any() and signs.shape[1] <= DOTTED:
            words.append("Small dots: no clear change.")
    words += _left_out(plot, len(members))
    if gridded and not all(np.isfinite(part.cells.mean[members]).all() for part in shown):
        words.append("Grey: no result.")
    words += _failures(plot, "where points failed")
    parts = []
    for i in members:
        seen = np.concatenate([part.shown.mean[i][np.isfinite(part.shown.mean[i])] for part in shown])
        if len(seen):
            parts.append(f"{shortened(quantity.names[i])} from {number(seen.min())} to {number(seen.max())}")
    kind = "Heat map" if gridded else "Scatter plot"
    names = f"{shortened(plot.x.name)} and {shortened(plot.y.name)}"
    return " ".join(words), f"{kind} of {quantity.label} over {names}: {'; '.join(parts)}."


def _coloured(plot: Plot, members: list[int]) -> list[str]:
    """What colours mean, if names share a scale, where it bends and what lies beyond its ends."""
    quantity, found = plot.quantity, scales(plot, members)
    own = len(set(map(id, found.values()))) > 1
    shared = "; each name has a scale of its own" if own else "; all panels share one scale"
    shared = shared if len(members) * len(plot.parts) > 1 else ""
    down, up = quantity.ends
    words = [f"Teal {up}, brown {down}{shared}." if quantity.centred else f"Darker is higher{shared}."]
    told = []
    for i in members if own else members[:1]:
        (low, high), name = found[i].ends, f"{shortened(quantity.names[i])}: " if own else ""
        below, above = number(low), number(high)
        if found[i].low or found[i].high:
            ends = [f"below {below}"] * found[i].low + [f"above {above}"] * found[i].high
            told.append(name + (f"beyond ± {above}" if quantity.centred else " and ".join(ends)))
    if told:
        words.append(f"Values far out are drawn in the last colour ({'; '.join(told)}).")
    norms = {i: found[i].norm for i in (members if own else members[:1])}
    bent = {float(norm.linthresh): i for i, norm in norms.items() if isinstance(norm, SymLogNorm)}
    if bent:
        named = joined([f"± {bend:g}" + (f" for {shortened(quantity.names[i])}" * own) for bend, i in bent.items()])
        words.append(f"Colours are even up to {named} and logarithmic beyond.")
    return words


def slices(plot: Plot) -> tuple[str, str]:
    """Caption and alternative text of curves at a few values of another parameter."""
    assert plot.y is not None
    quantity, chosen = plot.quantity, cuts(plot.y)
    name = shortened(plot.y.name)
    if plot.y.grouped:
        some = f"each of {counted(len(chosen))} groups of values"
    elif len(chosen) == len(plot.y):
        some = "each value"
    else:
        some = f"{counted(len(chosen))} of {counted(len(plot.y))} values"
    words = [f"One curve for {some} of {name}."]
    if quantity.base is not None:
        words.append(f"The grey dotted line is {quantity.basis}.")
    if plot.x.grouped:
        words.append(f"Neighbouring values of {shortened(plot.x.name)} are taken together.")
    words += _bands(plot) + _left_out(plot, len(quantity.strongest(PANELS))) + _bent(plot)
    words += _failures(plot, "at values where points failed")
    if len(quantity.names) > 1:
        words.append("Each panel has a scale of its own.")
    levels = ", ".join(shortened(plot.y.labels[level], 24) for level in chosen)
    return " ".join(words), f"Curves of {quantity.label} over {shortened(plot.x.name)} at {name} {levels}."


def _others(plot: Plot) -> str:
    """The swept parameters that a figure does not show."""
    shown = {plot.x.name, plot.y.name if plot.y is not None else None, *(p.name for p in plot.few)}
    return ", ".join(shortened(p.name) for p in plot.sweep.swept if p.name not in shown)


def _bands(plot: Plot) -> list[str]:
    """What the bands or bars are, if there are any."""
    sample = plot.quantity.sample
    if not (np.nan_to_num(sample.error) > 0).any():
        return []
    seeds, what = int(sample.seeds.max()), "band" if plot.x.number else "bar"
    times = float(np.max(sample.reach[sample.error > 0] / sample.error[sample.error > 0]))
    more = f" (with so few, 95 % would take ± {number(times, digits=2)})" if times > 2.5 else ""
    return [f"The {what} is ± 2 standard errors over {seeds} seeds{more}."]


def _bent(plot: Plot) -> list[str]:
    bend = plot.quantity.bend(plot.quantity.sample.mean)
    return [] if bend is None else [f"The scale of alignment is even up to ± {bend:g} and logarithmic beyond."]


def _failures(plot: Plot, where: str) -> list[str]:
    return [f"Red crosses stand {where}."] if plot.failed.any() else []


def _left_out(plot: Plot, shown: int) -> list[str]:
    if shown == len(plot.quantity.names):
        return []
    return [f"Of {len(plot.quantity.names):,}, the {counted(shown)} that move most over the points."]


def _both(sign: np.ndarray) -> bool:
    return any((row == 1).any() and (row == -1).any() for row in sign)
