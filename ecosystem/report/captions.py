"""What stands below each figure of a report, and what is read aloud in its place, in plain words."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ecosystem.report import look, pictures, plots
from ecosystem.report.look import MANY
from ecosystem.report.verdict import counted, finished, number, replicates

if TYPE_CHECKING:
    from ecosystem.run import Run


def coupling(run: "Run") -> tuple[str, str]:
    """Caption and alternative text of the coupling graph."""
    count, arrows = len(run.members), len(run.flows)
    size = f"{counted(count, 'member')} and {counted(arrows, 'flow')}"
    if count > MANY:
        web = "Every dot of the web is a member, larger if more members learn from it. " if count <= 300 else ""
        caption = (
            f"{web}The curves show what share of the members has at least so many sources, or readers; "
            "a long tail means that a few members reach very many others."
        )
        return caption, f"Network of {size}, drawn as the distribution of numbers of sources and readers."
    caption = (
        "An arrow leads from the member that generates to the one that trains on it. The number near its "
        "head is a share of "
        "the reader’s training set; numbers that find no room here stand in the next figure. "
        "A grey box is real data. The tint of a circle says what became of its users’ taste, and the number "
        "inside by how "
        "much its alignment moved."
    )
    diets = "; ".join(_diet(run, name) for name in look.names(run)) if count <= 12 else ""
    return caption, f"Directed network of {size}. {diets}".strip()


def _diet(run: "Run", member: str) -> str:
    """A member's diet as a clause."""
    parts = [
        f"{look.percent(share)} {kind}{f' from {source}' if source else ' data'}"
        for kind, source, share in plots.diet(run, member)
    ]
    return f"{member} trains on {', '.join(parts) or 'nothing'}"


def diets(run: "Run") -> tuple[str, str]:
    """Caption and alternative text of the stacked bars."""
    if len(run.members) > MANY:
        caption = (
            "Every member is a thin column. Violet: output that users chose; dark grey: output as it was "
            "generated; "
            "light grey: real data."
        )
    else:
        caption = (
            "One bar is one member’s training set. The colour says whose output it is (the dots beside the "
            "names), pale for raw, "
            "hatched for curated, grey for real data."
        )
    if len(run.changes):
        caption += " These are the shares at the start; what was changed on the way is listed below."
    mean = run.flows[["raw", "curated"]].sum() / max(len(run.members), 1)
    real = run.members["real"].astype(float).mean()
    alt = (
        f"Stacked bars of training sets. On average {look.percent(real)} real, {look.percent(mean['raw'])} "
        "raw and "
        f"{look.percent(mean['curated'])} curated."
    )
    return caption, alt


def alignment(run: "Run", table: pd.DataFrame) -> tuple[str, str]:
    """Caption and alternative text of alignment over rounds, with the table of outcomes."""
    seen = table[np.isfinite(table["change"])]
    if len(run.members) > MANY:
        caption = f"How much members’ users like what their member generates: {plots.band_words(run)}."
        ends = seen[["start", "end"]].median()
        alt = f"Median alignment goes from {number(ends['start'])} to {number(ends['end'])}."
        return caption, "Quantile bands of alignment over rounds. " + alt
    mean = "the mean over replicates of " if replicates(run) > 1 else ""
    caption = f"Each line is {mean}how much a member’s users like what it generates; upwards is better for them."
    if plots.band_words(run):
        caption += f" Around it, {plots.band_words(run)}."
    if 1 < seen["reward"].nunique() <= 6:
        caption += " Members whose users like the same share a panel; each panel has a scale of its own."
    paths = (
        f"{row.member} from {number(row.start, row.change)} to {number(row.end, row.change)}"
        for row in seen.itertuples()
    )
    return caption, "Line chart of alignment over rounds: " + "; ".join(paths) + "."


def change(run: "Run") -> tuple[str, str]:
    """Caption and alternative text of relative parameter change."""
    caption = (
        "How far a round moves a model, relative to the size of its parameters (0.01 is one percent). The "
        "scale is "
        "logarithmic: a straight fall means settling at a steady rate; a level line is the trembling that "
        "finite samples "
        "leave, or movement that goes on. Rounds without any movement are not drawn."
    )
    if len(run.members) > MANY:
        caption += f" Here, {plots.band_words(run)}."
    elif plots.band_words(run):
        caption += f" Lines are medians over replicates; {plots.band_words(run)}."
    rounds = finished(run)
    moved = rounds[rounds["change"].astype(float) > 0].groupby("round")["change"].median()
    alt = "Line chart of relative parameter change per round, logarithmic."
    if len(moved):
        alt += f" The median goes from {number(moved.iloc[0])} to {number(moved.iloc[-1])}."
    return caption, alt


def samples(run: "Run", kind: str) -> tuple[str, str]:
    """Caption and alternative text of sample pictures of one kind: "images", "clouds", "symbols"."""
    caption = {
        "images": "Samples of each member (rows) at a few rounds (columns), in one grey scale: dark is high.",
        "clouds": "Samples of each member (rows) at a few rounds (columns); grey: where the member started.",
        "symbols": "How often members (rows) write each symbol at a few rounds (columns); outline: start.",
    }[kind]
    shown = len(pictures.drawable(run, kind))
    if shown == pictures.ROWS < len(run.members):
        caption += f" {shown} of {len(run.members)} members are shown."
    if replicates(run) > 1:
        caption += " From the first replicate."
    return (
        caption,
        f"{kind.capitalize()} generated by {counted(shown, 'member')} at a few rounds, side by side.",
    )
