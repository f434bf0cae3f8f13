"""Where on the plane of coupling and curation does curation help whom, and do sampled runs agree with the theory?

Reads the study of ``scenarios/pair.py``: theta's users curate what theta reads of phi, and phi reads theta. 441 points,
40 seeds, 64 samples a round; of each run the rounds 81 to 100. The table ``influence`` holds the exact effect of a
little more curation at theta. Measured, it is the slope of alignment between the next lower and the next higher level,
which share their seeds.

Exactly, more curation helps theta at 333 points and backfires at 108; it helps phi at 372 and harms it at 69. At 31
points theta's users gain and phi's lose. The runs see it: at 792 of the 798 places where they can tell (two models, 399
points with a neighbour on both sides) the 95 % interval of the slope excludes zero, and has the exact sign at all but
one, where the exact effect is -0.002.

Alignment itself ends below that of the stable point, for few samples let the parameters vary, and a quadratic reward
counts their variance as a loss: by 0.003 to 0.024 for theta, at 64 samples. So of the 441 intervals only 27 % (theta)
and 96 % (phi) hold the alignment of the stable point. All of theta's and 97 % of phi's hold the one expected of so few
samples, in closed form in :func:`theory`; the mean gap to it is -0.003 ± 0.003 (standard error) for theta and -0.006 ±
0.006 for phi. Of the slopes, 100 % and 99 % hold what is expected, 90 % and 99 % the exact influence. These are no 441
experiments: all points share their 40 seeds, so that intervals tend to hold or to miss together.

    ecosystem study scenarios/pair.py --out runs/plane       # half a minute; made by the next line if it is not there
    .venv/bin/python analysis/plane.py                       # seconds
    .venv/bin/python analysis/plane.py --study runs/quick --points 7 --seeds 8
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from scipy.stats import t as student

from analysis import look
from ecosystem import Study
from ecosystem.cli.loading import load_study
from ecosystem.study import Progress, Results
from scenarios import pair
from scenarios.pair import SYSTEM

LETTER = {"theta": "p", "phi": "q"}
WORDS = {"theta": "theta, whose users curate", "phi": "phi, which reads theta"}
LEVELS = (0.05, 0.5)  # of curation, that the lower panels show; 0.95 has the variance of 0.05


def main(argv: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--study", type=Path, default=Path("runs/plane"), help="its folder; computed if need be")
    parser.add_argument("--points", type=int, default=21, help="values of coupling and of curation, if it is computed")
    parser.add_argument("--seeds", type=int, default=40, help="if it is computed")
    parser.add_argument("--workers", type=int, help="that compute it; 0 is this process")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the picture")
    asked = parser.parse_args(argv)
    study = load_study(Path(pair.__file__), {"points": asked.points, "seeds": asked.seeds})
    results = opened(asked.study, study, asked.workers)
    wanted = by_seed(results)
    table = compared(results, wanted)
    agreement = agreed(table, wanted)
    print("points at which more curation at theta helps or harms: exactly, and seen in the runs")
    print(signs(table).to_string(index=False))
    print("part of the 95 % intervals that hold the exact value, and the one expected of so few samples")
    print(agreement.to_string(index=False, float_format="%.4f"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "plane.csv", index=False, float_format="%.6g")
    agreement.to_csv(asked.out / "plane_agreement.csv", index=False, float_format="%.6g")
    draw(table, wanted.shape[1], asked.out / "plane.png")
    return table, agreement


def opened(folder: Path, study: Study, workers: int | None = None) -> Results:
    """What a folder holds of a study; what it lacks is computed first."""
    if (folder / "study.json").is_file() and (results := Study.load(folder)).finished:
        return results

    def tell(at: Progress) -> None:
        end = "\n" if at.finished == at.blocks else ""
        print(f"\r{folder}: {at.done} of {at.points} points", end=end, file=sys.stderr, flush=True)

    return study.run(folder, workers=workers, progress=tell)


# -- what is measured --------------------------------------------------------------------------------------------------


def by_seed(results: Results) -> pd.DataFrame:
    """The measured alignments, a mean over the last rounds: a row a point and member, a column a seed."""
    grid = results.points[["coupling", "curation"]]
    rounds = results.with_parameters("rounds", ["seed", "round", "member", "alignment"])
    rounds = rounds[rounds["round"] > 0]  # the start is there to compare with
    means = rounds.groupby(["coupling", "curation", "member", "seed"], observed=True)["alignment"].mean()
    values = means.unstack("seed").rename_axis(["coupling", "curation", "target"])
    if len(grid) < grid["coupling"].nunique() * grid["curation"].nunique() or values.shape[1] < 2:
        raise ValueError(
            f"{results.folder} must hold every combination of its couplings and curations, and at least two seeds; "
            "it does not: compute study() of scenarios/pair.py in a folder of its own"
        )
    return values


def slopes(values: pd.DataFrame) -> pd.DataFrame:
    """By how much alignment rises with curation, from the neighbours on either side; seeds are paired.

    Exact for what is quadratic in the level, as expected alignment is here.
    """

    def central(rows: pd.DataFrame) -> pd.DataFrame:
        level = rows.index.get_level_values("curation").to_numpy()
        rise = (rows.to_numpy()[2:] - rows.to_numpy()[:-2]) / (level[2:] - level[:-2])[:, None]
        return pd.DataFrame(rise, rows.index[1:-1], rows.columns)

    parts = [central(rows.sort_index()) for _, rows in values.groupby(["coupling", "target"])]
    return pd.concat(parts).sort_index()


def intervals(values: pd.DataFrame, name: str) -> pd.DataFrame:
    """Mean over seeds and Student's 95 % interval."""
    n = values.shape[1]
    middle, half = values.mean(axis=1), values.sem(axis=1) * student.ppf(0.975, n - 1)
    return pd.DataFrame({name: middle, f"{name} low": middle - half, f"{name} high": middle + half})


# -- what it should be -------------------------------------------------------------------------------------------------


def theory(coupling: float, curation: float, samples: int | None) -> pd.DataFrame:
    """Alignment at the stable point, and what ``samples`` a round should make of it and of its slope in curation.

    Each round theta moves by ``a`` times the chance deviation of the number of curated samples, variance ``λ(1−λ)/n``,
    and by the noise of a mean, ``σ²/n`` a coordinate, its own and that of phi, which comes back through ``A``. The loop
    carries on ``A^h`` of both, and in block ``m`` of ``A``, a rotation scaled by ``s = tβ_m``, that adds up to
    ``1/(1−s²)``. A quadratic reward counts the variance as ``−η/2`` of its trace. ``samples=None`` is the population.
    """
    n, scale = samples or np.inf, (coupling * np.array(SYSTEM["block_strength"])) ** 2
    shift = (np.array(SYSTEM["a"]).reshape(-1, 2) ** 2).sum(axis=1)
    chance, noise = shift / n / (1 - scale), 2 * SYSTEM["sigma"] ** 2 / n
    spread = curation * (1 - curation) * chance + noise * (1 + scale) / (1 - scale)
    rows = []
    for name, point in zip(LETTER, pair.stable_point(coupling, curation), strict=True):
        taste, eta = np.array(SYSTEM[f"g_{LETTER[name]}"]), SYSTEM[f"eta_{LETTER[name]}"]
        mean = point.numpy()
        exact = taste @ mean - eta / 2 * (mean @ mean + SYSTEM["dim"] * SYSTEM["sigma"] ** 2)
        passed = np.ones_like(scale) if name == "theta" else scale
        variance = float((passed * spread).sum()) + (0.0 if name == "theta" else float((scale * noise).sum()))
        rise = -eta / 2 * (1 - 2 * curation) * float((passed * chance).sum())
        rows.append((coupling, curation, name, exact, exact - eta / 2 * variance, rise))
    return pd.DataFrame(rows, columns=["coupling", "curation", "target", "exact", "expected", "bias"])


def compared(results: Results, values: pd.DataFrame) -> pd.DataFrame:
    """A row a point and member: alignment measured, exact and expected; influence exact, its slope measured."""
    key = ["coupling", "curation", "target"]
    samples = int(results.points["samples"].iloc[0])
    grid = results.points[key[:2]].itertuples(index=False)
    table = pd.concat([theory(t, level, samples) for t, level in grid], ignore_index=True)
    effects = results.with_parameters("influence", ["target", "source", "effect"])
    table = table.merge(effects[[*key, "effect"]], on=key).assign(slope_expected=lambda t: t["effect"] + t["bias"])
    table = table.drop(columns="bias").rename(columns={"slope_expected": "effect expected"})
    for part in (intervals(values, "measured"), intervals(slopes(values), "slope")):
        table = table.merge(part.reset_index(), on=key, how="left")
    return table


def holds(table: pd.DataFrame, name: str, of: str) -> pd.Series:
    """Whether the interval of what was measured holds a value."""
    return (table[f"{name} low"] <= table[of]) & (table[of] <= table[f"{name} high"])


def agreed(table: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """How far what was measured is from what it should be: intervals that hold it, and the plane's mean gap."""
    rows = []
    for name, seeds, pairs in (
        ("measured", values, ("exact", "expected")),
        ("slope", slopes(values), ("effect", "effect expected")),
    ):
        for target, part in table[table[name].notna()].groupby("target", sort=False):
            part = part.set_index(["coupling", "curation", "target"])
            for of in pairs:
                gaps = seeds.loc[part.index].sub(part[of], axis=0).mean()  # of each seed, over the plane
                half = (part[f"{name} high"] - part[f"{name} low"]).mean() / 2
                held = float(holds(part, name, of).mean())
                rows.append((target, name, of, len(part), held, gaps.mean(), gaps.sem(), half))
    columns = ["target", "what", "against", "points", "held", "gap", "standard error", "half width"]
    return pd.DataFrame(rows, columns=columns)


def signs(table: pd.DataFrame) -> pd.DataFrame:
    """At how many points more curation at theta helps or harms: exactly, and as far as the runs can tell."""
    rows = []
    for target, part in table.groupby("target", sort=False):
        seen = part[part["slope"].notna()]
        says = np.sign(seen["slope"]).where((seen["slope low"] > 0) | (seen["slope high"] < 0), 0.0)
        wrong = int((says * np.sign(seen["effect"]) < 0).sum())
        exact = {"points": len(part), "helped": (part["effect"] > 0).sum(), "harmed": (part["effect"] < 0).sum()}
        runs = {"seen": len(seen), "seen helped": (says > 0).sum(), "seen harmed": (says < 0).sum()}
        rows.append({"target": target, **exact, **runs, "unclear": (says == 0).sum(), "wrong": wrong})
    both = table.pivot(index=["coupling", "curation"], columns="target", values="effect")
    torn = int(((both["theta"] > 0) & (both["phi"] < 0)).sum())
    return pd.DataFrame(rows).assign(torn=torn)


# -- the figure --------------------------------------------------------------------------------------------------------


def draw(table: pd.DataFrame, seeds: int, path: Path) -> None:
    figure = look.canvas(look.WIDE, 8.2)
    upper, lower = figure.subplots(2, 2, sharex=True, height_ratios=[1.25, 1])
    top = float(np.ceil(table[["effect", "slope"]].abs().max().max()))
    maps = [field(axes, table[table["target"] == name], top) for axes, name in zip(upper, LETTER, strict=True)]
    for axes, name, letter in zip(upper, LETTER, "ab", strict=True):
        look.tidy(axes, title=f"{letter}   {WORDS[name]}").grid(False)
    upper[0].set_ylabel("how much theta curates (level λ)", color=look.INK)
    bar = figure.colorbar(maps[0], ax=list(upper), location="right", shrink=0.8, aspect=30, pad=0.02)
    bar.set_label("measured: rise of alignment per unit of curation", color=look.INK)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.tick_params(labelsize=9, labelcolor=look.SOFT, color=look.FAINT)
    for axes, name, letter in zip(lower, LETTER, "cd", strict=True):
        gaps(axes, table[table["target"] == name])
        look.tidy(axes, "how strongly phi follows theta (coupling t)", "", f"{letter}   {name}: what few samples cost")
    lower[0].set_ylabel("alignment less that of the stable point", color=look.INK)
    handles = [
        Line2D([], [], color=look.INK, linewidth=2, label="exact influence is zero"),
        Line2D([], [], color=look.INK, linestyle="", marker=".", markersize=4, label="interval holds zero"),
        Line2D([], [], color=look.SOFT, linestyle=":", label="expected at so few samples"),
        Line2D([], [], color=look.SOFT, marker="o", markersize=3, label=f"measured, band: 95 % ({seeds} seeds)"),
    ]
    look.key_below(figure, handles, 4)
    path.write_bytes(look.png(figure))


def field(axes: Axes, rows: pd.DataFrame, top: float) -> AxesImage:
    """Measured slopes as colours, a dot where their sign is open, and the line where the exact influence is zero."""
    wide, exact = (rows.pivot(index="curation", columns="coupling", values=name) for name in ("slope", "effect"))
    wide = wide.dropna()
    (left, right), (low, high) = ((float(axis[0]), float(axis[-1])) for axis in (wide.columns, wide.index))
    dx, dy = (right - left) / (wide.shape[1] - 1) / 2, (high - low) / max(wide.shape[0] - 1, 1) / 2 or 0.05
    image = axes.imshow(
        wide, cmap="BrBG", norm=Normalize(-top, top), aspect="auto", origin="lower",
        extent=(left - dx, right + dx, low - dy, high + dy),
    )  # fmt: skip
    if exact.min().min() < 0 < exact.max().max():
        axes.contour(exact.columns, exact.index, exact, [0.0], colors=look.INK, linewidths=2)
    unclear = rows[(rows["slope low"] < 0) & (rows["slope high"] > 0)]
    axes.plot(unclear["coupling"], unclear["curation"], ".", color=look.INK, markersize=4)
    axes.set(xlim=(left - dx, right + dx), ylim=(low - dy, high + dy))
    return image


def gaps(axes: Axes, rows: pd.DataFrame) -> None:
    """Measured alignment less that of the stable point, at a few levels of curation, and what it should be."""
    given = rows["curation"].unique()
    levels = dict.fromkeys(float(given[np.abs(given - level).argmin()]) for level in LEVELS)
    for level, colour in zip(levels, look.COLOURS, strict=False):
        part = rows[rows["curation"] == level].sort_values("coupling")
        off = part[["measured", "measured low", "measured high", "expected"]].sub(part["exact"], axis=0)
        low, high = off["measured low"], off["measured high"]
        axes.fill_between(part["coupling"], low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(part["coupling"], off["measured"], "o-", color=colour, markersize=3, label=f"λ = {level:g}")
        axes.plot(part["coupling"], off["expected"], color=colour, linestyle=":", linewidth=2)
    axes.axhline(0, color=look.SOFT, linewidth=0.8)
    axes.legend(frameon=False, fontsize=9, labelcolor=look.INK, loc="lower left")


if __name__ == "__main__":
    main()
