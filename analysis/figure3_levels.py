"""How content are both models' users as theta curates more, from nobody to four fifths?

The last row of Figure 3 of Zhang, Wei, Zhang 2026 (arXiv 2605.29267), on ``scenarios/pair.py``: theta's curation level
goes from 0 to 0.8 at a weak and a strong coupling, t = .2 and .9, with 4 and 32 samples a round and 20 seeds. Points
are mean alignments over the rounds 81 to 100 with Student's 95 % interval, lines those of the stable point, dotted what
so few samples should make of them (:func:`analysis.plane.theory`).

What came out: weakly coupled, both gain up to the end of the range. Strongly coupled, theta is best served at λ = .55
and phi at .15: from there on theta's curation harms phi, and past .55 itself. Of the intervals at t = .2 all of theta's
and 71 % of phi's hold what is expected; at t = .9 all of theta's, and of phi's 100 % (4 samples) and 82 % (32). These
are no 17 experiments: all levels share their draws, so that intervals tend to hold or to miss together.

    .venv/bin/python analysis/figure3_levels.py              # a minute
"""

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from analysis import look
from analysis.figure3 import BURN_IN, PHI, ROUNDS, THETA
from analysis.plane import intervals, theory
from ecosystem import Record
from scenarios import pair


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--couplings", type=float, nargs="+", default=[0.2, 0.9])
    parser.add_argument("--samples", type=int, nargs="+", default=[4, 32], help="a round")
    parser.add_argument("--levels", type=int, default=17, help="of curation, from 0 to 0.8")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of table and picture")
    asked = parser.parse_args(argv)
    levels = np.linspace(0, 0.8, asked.levels).round(4)
    parts = [played(t, n, levels, asked.seeds) for t, n in product(asked.couplings, asked.samples)]
    table = pd.concat(parts, ignore_index=True)
    print(agreement(table).to_string(index=False, float_format="%.4f"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "figure3_levels.csv", index=False, float_format="%.6g")
    draw(table, asked.seeds, asked.out / "figure3_levels.png")
    return table


def played(coupling: float, samples: int, levels: np.ndarray, seeds: int) -> pd.DataFrame:
    """A row a level and member: alignment measured with its interval, at the stable point, and expected."""
    measured, known = {}, []
    for level in map(float, levels):
        scenario = pair.scenario(coupling, level, rounds=ROUNDS, samples=samples)
        rounds = scenario.run(replicates=seeds, record=Record(last=ROUNDS - BURN_IN)).rounds
        means = rounds.groupby(["member", "replicate"], observed=True)["alignment"].mean().unstack("replicate")
        measured |= {(level, name): means.loc[name] for name in means.index}
        known.append(theory(coupling, level, samples)[["target", "exact", "expected"]].assign(level=level))
    values = pd.DataFrame(measured).T.rename_axis(["level", "target"])
    table = intervals(values, "alignment").reset_index().merge(pd.concat(known), on=["level", "target"])
    return table.assign(coupling=coupling, samples=samples)


def agreement(table: pd.DataFrame) -> pd.DataFrame:
    """By coupling, samples and member: the part of the intervals that hold what is expected, and the best level."""
    held = (table["alignment low"] <= table["expected"]) & (table["expected"] <= table["alignment high"])
    groups = table.assign(held=held).groupby(["coupling", "samples", "target"], sort=False)
    best = groups.apply(lambda rows: rows.loc[rows["exact"].idxmax(), "level"], include_groups=False)
    return groups["held"].mean().to_frame().assign(best=best).reset_index()


def draw(table: pd.DataFrame, seeds: int, path: Path) -> None:
    figure = look.canvas(look.WIDE, 3.6)
    cases = list(table[["coupling", "samples"]].drop_duplicates().itertuples(index=False))
    panels = np.atleast_1d(figure.subplots(1, len(cases), sharey=True))
    for axes, (coupling, samples), letter in zip(panels, cases, "abcdefgh", strict=False):
        for name, colour in (("theta", THETA), ("phi", PHI)):
            rows = table[(table["coupling"] == coupling) & (table["samples"] == samples) & (table["target"] == name)]
            bars = np.abs(rows[["alignment low", "alignment high"]].T.to_numpy() - rows["alignment"].to_numpy())
            axes.plot(rows["level"], rows["exact"], color=colour, linewidth=1.6)
            axes.plot(rows["level"], rows["expected"], color=look.INK, linewidth=1, linestyle=":")
            axes.errorbar(rows["level"], rows["alignment"], bars, fmt="o", color=colour, markersize=3, elinewidth=1)
        look.tidy(axes, "curation (λ)", "", f"{letter}   t = {coupling:g}, {samples} samples")
    panels[0].set_ylabel("alignment (J)", color=look.INK)
    handles = [
        Line2D([], [], color=THETA, linewidth=1.6, label="theta"),
        Line2D([], [], color=PHI, linewidth=1.6, label="phi"),
        Line2D([], [], color=look.INK, linewidth=1, linestyle=":", label="expected with so few samples"),
        Line2D([], [], color=look.SOFT, marker="o", markersize=3, label=f"measured, 95 % interval ({seeds} seeds)"),
    ]
    look.key_below(figure, handles, 4)
    path.write_bytes(look.png(figure))


if __name__ == "__main__":
    main()
