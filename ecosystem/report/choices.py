"""What users' choices do to the reward of what they are shown: for each curated flow, boxes before and after."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ecosystem.core.words import number
from ecosystem.plots import opinions
from ecosystem.plots.opinions import BOX, FLOW, ROUNDS
from ecosystem.plots.spreads import QUANTILES
from ecosystem.report import look
from ecosystem.report.look import WIDE, Style

if TYPE_CHECKING:
    from ecosystem.running.run import Run


@dataclass(frozen=True)
class Choice:
    """A flow on which users choose; for a few rounds the quantiles `BOX` of their reward before and after, `[2, 5]`."""

    source: str
    target: str
    chooser: str | None  # the member whose users choose; None where they are the flow's own
    taste: str | tuple[str, str]  # of its own users: the flow
    boxes: dict[int, np.ndarray]

    @property
    def name(self) -> str:
        return f"{self.source} → {self.target}"

    def lift(self, round: int) -> float:
        """How far the median of what they keep is above that of what they were shown."""
        before, after = self.boxes[round][:, BOX.index(0.5)]
        return float(after - before)


def chosen(run: "Run") -> list[Choice]:
    """The `FLOWS` most curated flows with recorded choices, in the order of their readers; means over replicates."""
    if run.choices.empty:
        return []
    rewards = dict(zip(look.names(run), run.members["reward"].astype(str), strict=True))
    found = []
    for (source, target), rows in opinions.boxes(run.choices, run.flows, run.failures).groupby(FLOW, sort=False):
        boxes = {int(at): two[list(QUANTILES)].to_numpy(float) for at, two in rows.groupby("round")}  # type: ignore
        chooser = str(rows["chooser"].iloc[0]) or None
        taste = (str(source), str(target)) if chooser is None else rewards[chooser]
        found.append(Choice(str(source), str(target), chooser, taste, boxes))
    return sorted(found, key=lambda choice: list(rewards).index(choice.target))


def choices(run: "Run", width: float = WIDE) -> Figure:
    """A panel a flow, a pair of boxes a round: shown to users in grey, kept in the colour of their member."""
    found, narrow = chosen(run), width < 6
    if not found:
        return look.note(width, "No choices of users were recorded.")
    columns = min(len(found), 2 if narrow or len(found) in (2, 4) else 3)
    rows = -(-len(found) // columns)
    figure = look.canvas(width, rows * (2.0 if narrow else 2.3) + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False)
    by_name = look.styles(run)
    for axes, choice in zip(grid.flat, found, strict=False):
        style = Style(look.CURATED, "-") if choice.chooser is None else by_name[choice.chooser]
        _panel(axes, choice, style, _limits([other for other in found if other.taste == choice.taste]), narrow)
    for axes in list(grid.flat)[len(found) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel("users’ reward", color=look.INK)
    look.key_below(figure, _keys(found, by_name), 1 if narrow else 3)
    return figure


def _panel(axes: Axes, choice: Choice, style: Style, limits: tuple[float, float], narrow: bool) -> None:
    """One flow: at each round two boxes, and how far choice moves the median."""
    look.tidy(axes, xlabel="round", title=look.plain(choice.name, 22 if narrow else 34))
    scale = max(abs(choice.lift(at)) for at in choice.boxes)
    for place, (at, boxes) in enumerate(choice.boxes.items()):
        for side, colour, edge in ((0, look.REAL, look.SOFT), (1, look.mix(style.colour, "#ffffff", 0.35), style.dark)):
            low, first, median, third, high = boxes[side]
            box = {"whislo": low, "q1": first, "med": median, "q3": third, "whishi": high}
            lines = {"color": edge, "linewidth": 1.0}
            axes.bxp(
                [box],
                positions=[place + (0.36 * side - 0.18)],
                widths=0.3,
                showfliers=False,
                showcaps=False,
                patch_artist=True,
                manage_ticks=False,
                boxprops={"facecolor": colour, "edgecolor": edge, "linewidth": 1.0},
                whiskerprops=lines,
                medianprops={**lines, "linewidth": 1.8},
            )
        words = number(choice.lift(at), scale, sign=True, digits=2)
        axes.annotate(
            words,
            (place, boxes.max()),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=7.5 * min(1, 5 / len(words)) if narrow else 9,
            color=style.dark,
        )
    low, high = limits
    axes.set(xlim=(-0.6, ROUNDS - 0.4), ylim=(low - 0.05 * (high - low), high + 0.17 * (high - low)))
    axes.set_xticks(range(len(choice.boxes)), [str(at) for at in choice.boxes])
    axes.locator_params(axis="y", nbins=5)
    axes.tick_params(labelsize=8 if narrow else 9)


def _limits(group: list[Choice]) -> tuple[float, float]:
    """The range of rewards of flows that share a taste, and so a scale."""
    values = np.concatenate([boxes.ravel() for choice in group for boxes in choice.boxes.values()])
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _keys(found: list[Choice], by_name: dict[str, Style]) -> list[Patch]:
    """What a colour says: shown to users, or kept by the users of one member."""
    keys = [Patch(facecolor=look.REAL, edgecolor=look.SOFT, label="what users were shown")]
    for chooser in dict.fromkeys(choice.chooser for choice in found):
        style = Style(look.CURATED, "-") if chooser is None else by_name[chooser]
        words = "what a flow’s own users kept" if chooser is None else f"what users of {look.plain(chooser, 18)} kept"
        keys.append(Patch(facecolor=look.mix(style.colour, "#ffffff", 0.35), edgecolor=style.dark, label=words))
    return keys
