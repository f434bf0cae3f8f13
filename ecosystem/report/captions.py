"""What stands below each figure of a report, and what is read aloud in its place, in plain words."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ecosystem.core.words import counted, number
from ecosystem.plots import training
from ecosystem.plots.quality import PARTS
from ecosystem.report import look, pictures, plots
from ecosystem.report.choices import Choice, chosen
from ecosystem.report.images import brightness, labels
from ecosystem.report.look import MANY
from ecosystem.report.sources import judged
from ecosystem.running.verdicts import finished, replicates

if TYPE_CHECKING:
    from ecosystem.running.run import Run


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
        "inside how much higher or lower its alignment ends than alone, if nobody had read anybody."
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
        caption += " These are the shares of the first round; what was changed on the way is listed below."
    mean = training.there(run.flows)[["raw", "curated"]].sum() / max(len(run.members), 1)
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


def measured(run: "Run", column: str) -> tuple[str, str]:
    """Caption and alternative text of a measure over rounds."""
    words = column.replace("_", " ")
    caption = f"What the measure {words} says of each member."
    if plots.band_words(run):
        caption += f" {plots.band_words(run).capitalize()}."
    rounds = finished(run)
    ends = [
        rounds.loc[rounds["round"] == at, column].astype(float).mean() for at in (rounds["round"].agg(["min", "max"]))
    ]
    return caption, f"Line chart of {words} over rounds. Its mean goes from {number(ends[0])} to {number(ends[1])}."


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


def choices(run: "Run") -> tuple[str, str]:
    """Caption and alternative text of rewards before and after users choose."""
    shown = chosen(run)
    moved = "; ".join(_lift(choice) for choice in shown)
    caption = (
        "What users were shown, and what they kept of it. A box is the middle half of their rewards with the median as "
        "its line, whiskers span the middle 90 %. The number above is how far their choice moves the median"
    )
    caption += f": {moved}." if len(shown) <= 4 else "."
    if len({choice.taste for choice in shown}) > 1:
        caption += " Panels of one taste share a scale."
    recorded = len(run.choices[["source", "target"]].drop_duplicates())
    if recorded > len(shown):
        caption += (
            f" Shown are the {counted(len(shown))} of {counted(recorded, 'curated flow')} with the largest shares."
        )
    return (
        caption + _over_replicates(run),
        f"Boxes of users’ rewards before and after they choose. Choice moves the median: {moved}.",
    )


def _lift(choice: Choice) -> str:
    """How far choice moves the median of a flow, in its first and its last recorded round."""
    first, last = min(choice.boxes), max(choice.boxes)
    begin, end = choice.lift(first), choice.lift(last)
    scale = max(abs(begin), abs(end))
    words = f"{choice.name} {number(begin, scale, sign=True, digits=2)} in round {first}"
    return words if first == last else f"{words}, {number(end, scale, sign=True, digits=2)} in round {last}"


def _over_replicates(run: "Run") -> str:
    return f" Means over {counted(replicates(run))} replicates." if replicates(run) > 1 else ""


def sources(run: "Run") -> tuple[str, str]:
    """Caption and alternative text of the rewards of training sets, part by part."""
    table = judged(run)
    caption = (
        "How much each member’s users like the parts of its training set; output is in the colour of the member that "
        "generated it."
    )
    if (table["kind"] == "real").any():
        caption += " Above the line of real data, it makes the set better for them than real data alone; below, worse."
    recorded = run.sources[np.isfinite(run.sources["reward"].astype(float))].astype({"member": str})
    here = recorded[recorded["member"].isin(table["member"])]
    if len(here[["member", "source", "curated"]].drop_duplicates()) > len(
        table[["member", "kind", "source"]].drop_duplicates()
    ):
        caption += f" Of output, the {counted(PARTS)} largest parts are drawn."
    shown, total = table["member"].nunique(), recorded["member"].nunique()
    if shown < total:
        caption += (
            f" {counted(shown).capitalize()} of {counted(total, 'member')} {'is' if shown == 1 else 'are'} shown."
        )
    last = table[table["round"] == table.groupby("member")["round"].transform("max")]
    ends = []
    for name, rows in last.groupby("member", sort=False):
        whose = ((f" from {row.source}" if row.kind != "real" else "", row) for row in rows.itertuples())
        ends.append(f"{name}: {', '.join(f'{row.kind}{source} {number(row.reward)}' for source, row in whose)}")
    return (
        caption + _over_replicates(run),
        f"Lines of the mean reward of training data. In the last round, {'; '.join(ends)}.",
    )


def samples(run: "Run", kind: str) -> tuple[str, str]:
    """Caption and alternative text of sample pictures of one kind: "images", "clouds", "symbols"."""
    found = pictures.drawable(run, kind)
    caption = {
        "images": "Samples of each member (rows) at a few rounds (columns), ",
        "clouds": "Samples of each member (rows) at a few rounds (columns); grey: where the member started.",
        "symbols": "How often members (rows) write each symbol at a few rounds (columns); outline: start.",
    }[kind]
    if kind == "images":
        caption += _pixels(found)
        if all(labels(run, name, at) is not None for name, rounds in found.items() for at in rounds):
            caption += " They are sorted by label."
    if len(found) == pictures.ROWS < len(run.members):
        caption += f" {len(found)} of {len(run.members)} members are shown."
    if replicates(run) > 1:
        caption += " From the first replicate."
    return (
        caption,
        f"{kind.capitalize()} generated by {counted(len(found), 'member')} at a few rounds, side by side.",
    )


def _pixels(found: pictures.Samples) -> str:
    """How pixel values become colours or greys."""
    low, high = brightness(found)
    blocks = [x for rounds in found.values() for x in rounds.values()]
    coloured = {x.ndim == 4 and x.shape[1] == 3 for x in blocks}
    span = "" if (low, high) == (0, 1) else f" Pixel values from {number(low)} to {number(high)} span the scale."
    beyond = np.mean(np.concatenate([((x < low) | (x > high)).ravel() for x in blocks]))
    if beyond >= 0.001:
        span += f" {look.percent(float(f'{beyond:.2g}'))} of them lie beyond and are drawn as its nearest end."
    if coloured == {True}:
        return "in their own colours." + span
    greys = "in one grey scale: dark is high." + span
    return greys if coloured == {False} else "in their own colours, or " + greys
