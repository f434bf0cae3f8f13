"""What stands below charts of a run that these do not say of themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ecosystem.core.words import counted
from ecosystem.plots.opinions import FLOW, FLOWS, boxes
from ecosystem.plots.quality import PARTS, judged
from ecosystem.plots.spreads import PANELS
from ecosystem.running.run import Run
from ecosystem.running.verdicts import replicates

TINT = (
    "It is how much higher or lower a member’s alignment ends than alone, if nobody had read anybody; who has no clear "
    "change has none."
)
DEGREES = "A long tail means that a few members reach very many others."
CHANGE = (
    "How far a round moves a model, relative to the size of its parameters (0.01 is one percent). The scale is "
    "logarithmic: a straight fall means settling at a steady rate; a level line is the trembling that finite samples "
    "leave, or movement that goes on. Rounds without any movement are not drawn."
)


def diets(run: Run) -> str:
    """Which round the shares are of."""
    words = "These are the shares of the first round; what was changed on the way is listed below."
    return words if len(run.changes) else ""


def alignment(told: pd.DataFrame) -> str:
    """How to read it, from the table of verdicts."""
    words = "Upwards is better for a member’s users."
    if 1 < told.loc[told["change"].notna(), "reward"].nunique() <= PANELS:
        words += " Members whose users like the same share a panel; each panel has a scale of its own."
    return words


def choices(run: Run) -> str:
    """Which flows are drawn, and of how many replicates."""
    if run.choices.empty:
        return ""
    table = boxes(run.choices, run.flows, run.failures)
    words = []
    recorded = len(run.choices[FLOW].drop_duplicates())
    if recorded > FLOWS:
        flows = counted(recorded, "curated flow")
        words.append(f"Shown are the {counted(len(table[FLOW].drop_duplicates()))} of {flows} with the largest shares.")
    return " ".join([*words, *_over_replicates(run)])


def sources(run: Run) -> str:
    """How to read rewards of training data, and which parts and members are drawn."""
    table = judged(run.sources, run.members, run.failures)
    words = []
    if (table["kind"] == "real").any():
        words.append(
            "Above the line of real data, a part makes the set better for users than real data alone; below, worse."
        )
    recorded = run.sources[np.isfinite(run.sources["reward"].astype(float))].astype({"member": str})
    here = recorded[recorded["member"].isin(table["member"])]
    parts = (here[["member", "source", "curated"]], table[["member", "kind", "source"]])
    if len(parts[0].drop_duplicates()) > len(parts[1].drop_duplicates()):
        words.append(f"Of output, the {counted(PARTS)} largest parts are drawn.")
    shown, total = table["member"].nunique(), recorded["member"].nunique()
    if shown < total:
        words.append(
            f"{counted(shown).capitalize()} of {counted(total, 'member')} {'is' if shown == 1 else 'are'} shown."
        )
    return " ".join([*words, *_over_replicates(run)])


def _over_replicates(run: Run) -> list[str]:
    return [f"Means over {counted(replicates(run))} replicates."] if replicates(run) > 1 else []
