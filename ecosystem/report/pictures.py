"""Pictures of what members generate at a few rounds: clouds of points, counts of symbols, and the grid of any kind.

They show the samples a run kept (of its first replicate). Which picture fits follows from the shape of one
sample: `[h, w]` and `[c, h, w]` are images (see `ecosystem.report.images`), `[2]` is a point, a whole number is a
symbol; other vectors have no picture.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ecosystem.plots.spreads import evenly
from ecosystem.report import look
from ecosystem.report.look import WIDE

if TYPE_CHECKING:
    from ecosystem.running.run import Run

ROWS = 12  # members shown at most

Samples = dict[str, dict[int, np.ndarray]]
Item = TypeVar("Item")


def kind(sample: np.ndarray) -> str | None:
    """Which picture suits samples `[n, *event]`: "images", "clouds", "symbols" or None."""
    event = sample.shape[1:]
    if len(event) == 2 or (len(event) == 3 and event[0] in (1, 3)):
        return "images"
    if event == (2,):
        return "clouds"
    whole = not np.issubdtype(sample.dtype, np.floating) or bool(np.all(sample == np.round(sample)))
    return "symbols" if event == () and whole else None


def drawable(run: "Run", wanted: str) -> Samples:
    """The samples that `wanted` ("images", "clouds", "symbols") can show, of at most `ROWS` members."""
    found: Samples = {}
    for name in look.names(run):
        rounds = {r: _array(x) for r, x in sorted(run.samples.get(name, {}).items()) if len(x)}
        if rounds and all(kind(x) == wanted for x in rounds.values()):
            found[name] = rounds
    return {name: found[name] for name in evenly(list(found), ROWS)}


def clouds(run: "Run", width: float = WIDE) -> Figure:
    """Members whose samples are points in the plane; grey behind: where the member started."""
    found = drawable(run, "clouds")
    points = [x for rounds in found.values() for x in rounds.values()]
    (left, right), (low, high) = [_limits([x[:, i] for x in points]) for i in (0, 1)] if points else [(0, 1)] * 2
    half = 0.55 * max(right - left, high - low, 1e-9)
    x0, y0 = (left + right) / 2, (low + high) / 2

    def draw(axes: Axes, rounds: dict[int, np.ndarray], at: int, colour: str) -> None:
        look.tidy(axes)
        axes.grid(False)
        for x, shade, order in ((rounds[min(rounds)], look.REAL, 1), (rounds[at], colour, 2)):
            size, alpha = (7, 0.8) if len(x) < 200 else (3, 0.5)
            axes.scatter(x[:, 0], x[:, 1], s=size, color=shade, alpha=alpha, linewidths=0, zorder=order)
        axes.set(xlim=(x0 - half, x0 + half), ylim=(y0 - half, y0 + half), aspect="equal")
        axes.tick_params(labelsize=7)
        axes.locator_params(nbins=3)

    return grid(run, found, width, draw, "No points were kept.", labels=("first coordinate", "second coordinate"))


def symbols(run: "Run", width: float = WIDE) -> Figure:
    """How often each member generates each symbol; the outline is its first recorded round."""
    found = drawable(run, "symbols")
    size = 1 + max((int(x.max()) for rounds in found.values() for x in rounds.values()), default=1)

    def shares(x: np.ndarray) -> np.ndarray:
        return np.bincount(x.astype(int).clip(0), minlength=size) / len(x)

    top = max((shares(x).max() for rounds in found.values() for x in rounds.values()), default=1.0)

    def draw(axes: Axes, rounds: dict[int, np.ndarray], at: int, colour: str) -> None:
        look.tidy(axes)
        axes.bar(range(size), shares(rounds[at]), color=look.mix(colour, "#ffffff", 0.25), width=0.8)
        axes.stairs(shares(rounds[min(rounds)]), np.arange(size + 1) - 0.5, color=look.INK, linewidth=0.9)
        axes.set(xlim=(-0.6, size - 0.4), ylim=(0, 1.08 * top))
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_formatter(lambda value, _: look.percent(value))

    return grid(run, found, width, draw, "No symbols were kept.", 0.62, ("symbol", "share of samples"))


def grid(
    run: "Run",
    found: Samples,
    width: float,
    draw: Callable[..., None],
    empty: str,
    ratio: float = 1.0,
    labels: tuple[str, str] = ("", ""),
) -> Figure:
    """Rows of members, columns of rounds; names on the left in the members' colours, rounds on top."""
    if not found:
        return look.note(width, empty)
    narrow = width < 6
    columns = evenly(sorted({r for rounds in found.values() for r in rounds}), 3 if narrow else 5)
    room = width - (0.5 if narrow else 1.3) - (0.3 if labels[1] else 0)
    cell = min(room / len(columns), 1.6 if len(columns) > 3 else 2.1)
    figure = look.canvas(width, len(found) * (cell * ratio + 0.08) + 0.4 + (0.3 if labels[0] else 0))
    cells = figure.subplots(len(found), len(columns), squeeze=False)
    figure.supxlabel(labels[0], fontsize=10, color=look.INK)
    figure.supylabel(labels[1], fontsize=10, color=look.INK)
    by_name = look.styles(run)
    for line, (name, rounds) in zip(cells, found.items(), strict=True):
        for axes, at in zip(line, columns, strict=True):
            if at in rounds:
                draw(axes, rounds, at, by_name[name].colour)
            else:
                axes.set(frame_on=False, xticks=[], yticks=[])
        line[0].set_ylabel(
            look.plain(name, 12 if narrow else 18),
            rotation=90 if narrow else 0,
            ha="center" if narrow else "right",
            va="bottom" if narrow else "center",
            fontsize=9.5,
            color=by_name[name].dark,
        )
    for axes, at in zip(cells[0], columns, strict=True):
        axes.set_title("start" if at == 0 else f"round {at}", fontsize=9.5, color=look.INK)
    return figure


def _array(samples: Any) -> np.ndarray:
    """A tensor or array as NumPy, without needing torch here."""
    return np.asarray(samples.detach().cpu() if hasattr(samples, "detach") else samples)


def _limits(values: list[np.ndarray]) -> tuple[float, float]:
    """The range of finite values but for the outermost percent: one stray point must not hide the rest."""
    pool = np.concatenate([x.ravel() for x in values]).astype(float)
    pool = pool[np.isfinite(pool)]
    low, high = np.quantile(pool, [0.005, 0.995]) if len(pool) else (0.0, 1.0)
    return float(low), float(high if high > low else low + 1)
