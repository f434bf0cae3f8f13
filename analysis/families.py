"""Does the shape of a network decide whether curation by some helps the others?

Reads the study of ``scenarios/families.py``: rings, stars, random, small-world and scale-free networks of 20, 50 and
200 models, eight of each. The users of a fifth of the models choose 30 % (also 10 %, with a third of the effects) of
what their model trains on: either models drawn by lot, or those that most others read. Alignment is 0 without curation.

Hardly, if the lot decides who curates: the others' mean alignment rises to 0.14 in a ring and in scale-free networks,
0.15 in small worlds, 0.16 in random networks, and to much the same at every size; to less in a star (0.10; 0.07 in the
23 draws of 24 where its hub is not among the curators). But if the most read curate, shape decides: 0.14 still in a
ring, where all are read equally, 0.18 in small worlds, 0.27 in random, 0.42 in scale-free networks, 0.51 in a star.
Curation helps others by being read: what a little more of it at one model does for all the others together grows about
in proportion to its readers, by 0.7 to 0.8 for each in networks with four neighbours on average, by 1.3 in rings and
1.5 in stars.

Shape also decides who loses, for tastes differ. Below 0 are 6 to 8 % of the others in random, small-world and
scale-free networks whoever curates, 13 % in rings, where a model hears few curators. In a star it is 6 % if the lot
decides, and 18 % if the hub curates, for its taste reaches everybody: the lowest tenth of the others is at -0.14. In
scale-free networks of 200 the forty most read balance each other: 4 % are below 0, and the lowest tenth is at 0.16,
where with the lot it is at 0.04.

The sampled runs (80 rounds, 32 samples, 4 seeds) end where theory says: of 43,200 intervals of 95 % for a member's
alignment 95.4 % hold that of the stable point, of 960 for the mean of curators or others 97.1 %. All points share their
seeds; over all of them the mean gap is 0.003 ± 0.007 (standard error).

    ecosystem study scenarios/families.py --out runs/families    # some minutes; made by the next line if need be
    .venv/bin/python analysis/families.py                        # seconds
    .venv/bin/python analysis/families.py --study runs/few --members 20 --draws 2
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from scipy.stats import t as student

from analysis import look
from analysis.plane import opened
from ecosystem.cli.loading import load_study
from ecosystem.study import Results
from scenarios import families

COLOURS = dict(zip(families.WHO, (look.COLOURS[0], look.COLOURS[1]), strict=True))
MARKS = dict(zip(families.FAMILIES, "osD^v", strict=True))
POINT = ["family", "members", "curation", "who", "draw"]


def main(argv: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--study", type=Path, default=Path("runs/families"), help="its folder; computed if need be")
    parser.add_argument("--members", type=int, nargs="+", default=[20, 50, 200], help="if it is computed")
    parser.add_argument("--draws", type=int, default=8, help="networks of each family, if it is computed")
    parser.add_argument("--workers", type=int, help="that compute it; 0 is this process")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the picture")
    asked = parser.parse_args(argv)
    study = load_study(Path(families.__file__), {"members": asked.members, "draws": asked.draws})
    results = opened(asked.study, study, asked.workers)
    points, given = outcomes(results), giving(results)
    table, agreement = summary(points, given), agreed(results)
    print("alignment (in standard deviations) at the stable point, mean over networks; harmed: the part below 0;")
    print("private, others: what more curation at one member does to itself and to all the others together")
    print(table.to_string(index=False, float_format="%.3f"))
    print(agreement.to_string(index=False, float_format="%.4f"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "families.csv", index=False, float_format="%.6g")
    agreement.to_csv(asked.out / "families_agreement.csv", index=False, float_format="%.6g")
    level = float(points["curation"].max())
    draw(points[points["curation"] == level], given[given["curation"] == level], level, asked.out / "families.png")
    return points, given, agreement


# -- the answers -------------------------------------------------------------------------------------------------------


def outcomes(results: Results) -> pd.DataFrame:
    """A row a point: alignment of those who curate and of the others, the part of these that is harmed, their lowest
    tenth; exact, at the stable point."""
    standing = results.with_parameters("standing")
    curators = standing[standing["curates"]].groupby(POINT, sort=False)["alignment"].mean()
    others = standing[~standing["curates"]].groupby(POINT, sort=False)["alignment"]
    harmed = others.agg(lambda values: float((values < 0).mean()))
    rows = {"curators": curators, "others": others.mean(), "harmed": harmed, "tenth": others.quantile(0.1)}
    return pd.DataFrame(rows).reset_index()


def giving(results: Results) -> pd.DataFrame:
    """A row a source: how many read it, what more curation there does to itself, and to the others together."""
    reach = results.with_parameters("reach")
    own = reach["effect"].where(reach["distance"] == 0, 0.0)
    parts = reach.assign(private=own, externality=reach["effect"] - own)
    groups = parts.groupby([*POINT, "source"], sort=False)
    return groups.agg({"readers": "first", "private": "sum", "externality": "sum"}).reset_index()


def summary(points: pd.DataFrame, given: pd.DataFrame) -> pd.DataFrame:
    """Means over sizes and draws, by curation, who curates and family."""
    key = ["curation", "who", "family"]
    table = points.groupby(key, sort=False)[["curators", "others", "harmed", "tenth"]].mean()
    sources = given.groupby(key, sort=False)[["readers", "private", "externality"]].mean()
    return table.join(sources).reset_index()


def agreed(results: Results) -> pd.DataFrame:
    """Sampled runs against the stable point: 95 % intervals over seeds that hold it, and the mean gap.

    Tastes are linear, so few samples do not move the expected alignment.
    """
    standing = results["standing"]
    group = standing["curates"].map({True: "curators", False: "others"}).rename("group")
    exact = {
        "member": standing.set_index(["point", "member"])["alignment"],
        "group": standing.groupby(["point", group])["alignment"].mean(),
    }
    rows = []
    for name, table in (("member", "rounds"), ("group", "groups")):
        runs = results[table].astype({name: str}).pivot(index=["point", name], columns="seed", values="alignment")
        gaps = runs.sub(exact[name].reindex(runs.index), axis=0)
        half = gaps.sem(axis=1) * student.ppf(0.975, gaps.shape[1] - 1)
        held = (gaps.mean(axis=1).abs() <= half).mean()
        of_seeds = gaps.mean()  # over all points
        facts = {"intervals": len(gaps), "held": held, "gap": of_seeds.mean(), "standard error": of_seeds.sem()}
        rows.append({"of each": name, **facts, "half width": half.mean()})
    return pd.DataFrame(rows)


# -- the figure --------------------------------------------------------------------------------------------------------


def draw(points: pd.DataFrame, given: pd.DataFrame, level: float, path: Path) -> None:
    figure = look.canvas(look.WIDE, 7.8)
    places = figure.subplot_mosaic([["a", "b"], ["c", "c"]], height_ratios=[1, 0.95])
    columns(places["a"], points, "others")
    look.tidy(places["a"], "", "mean alignment (standard deviations)", "a   How the others fare")
    columns(places["b"], points, "harmed")
    look.tidy(places["b"], "", "part of the others below 0", "b   How many of them are worse off")
    places["b"].yaxis.set_major_formatter(FuncFormatter(lambda value, _: look.percent(value)))
    scatter(places["c"], given)
    words = "c   What more curation at one model does for all the others"
    look.tidy(places["c"], "models that read the one that curates", "gain of all others (ΣdJ/dλ)", words)
    sizes = " · ".join(map(str, sorted(points["members"].unique())))
    handles = [
        Line2D([], [], color=colour, marker="o", linestyle="", label=label)
        for colour, label in zip(COLOURS.values(), ("curators drawn by lot", "the most read curate"), strict=True)
    ]
    handles.append(
        Line2D([], [], color=look.SOFT, linewidth=1, label=f"left to right: {sizes} models; lines: all draws")
    )
    look.key_below(figure, handles, 3)
    path.write_bytes(look.png(figure))


def columns(axes: Axes, points: pd.DataFrame, name: str) -> None:
    """For each family and who curates a mark for each size, the mean of the draws, in a line from lowest to highest."""
    sizes = sorted(points["members"].unique())
    for (who, colour), side in zip(COLOURS.items(), (-0.2, 0.2), strict=True):
        for i, size in enumerate(sizes):
            part = points[(points["who"] == who) & (points["members"] == size)]
            draws = part.groupby("family")[name].agg(["mean", "min", "max"]).reindex(families.FAMILIES)
            x = np.arange(len(draws)) + side + 0.1 * (i - (len(sizes) - 1) / 2)
            axes.vlines(x, draws["min"], draws["max"], color=colour, alpha=0.35, linewidth=1.5)
            axes.plot(x, draws["mean"], "o", color=colour, markersize=4 + i)
    axes.axhline(0, color=look.SOFT, linewidth=0.8)
    axes.set_xticks(range(len(families.FAMILIES)), [name.replace(" ", "\n") for name in families.FAMILIES])


def scatter(axes: Axes, given: pd.DataFrame) -> None:
    """The mean externality of sources with about as many readers, a line a family."""
    edges = np.unique(np.round(np.geomspace(1, given["readers"].max() + 1, 14)))
    bins = pd.cut(given["readers"], [*edges, np.inf], right=False, labels=False)
    means = given.groupby(["family", bins.rename("bin")])[["readers", "externality"]].mean()
    for (family, mark), colour in zip(MARKS.items(), look.COLOURS[2:], strict=False):
        part = means.loc[family]
        axes.plot(part["readers"], part["externality"], f"{mark}-", color=colour, markersize=5, label=family)
    axes.set(xscale="log", yscale="log")
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(plain)
    axes.legend(frameon=False, fontsize=9, labelcolor=look.INK, loc="upper left")


if __name__ == "__main__":
    main()
