"""Where does curation backfire, on those who curate and on those who read them?

Two models, ``scenarios/pair.py``: theta's users curate what theta reads of phi, and phi reads theta through a coupling.
For every strength of the coupling and every level of curation: by how much does a little more curation change theta's
own alignment in the long run, and phi's? Exact, from the influence matrix at the stable point.

Both have a limit. More curation helps theta up to a level of 0.90 where the coupling is weak (0.05) and 0.55 where it
is strong (0.95): past it theta's users have pushed too far for their own taste, and curation backfires. What phi gains
or loses depends on the coupling more than on the level: at a curation of 0.4 it is harmed from a coupling of 0.8622 on,
at 0.2 from 0.8952, at 0.8 from 0.8001. Below theta's limit and past phi's lies a wedge, 21 of 361 points, in which
theta's users gain by curating more and phi's lose. Nowhere in the map is the result formal: synchronous rounds settle
too.

    .venv/bin/python analysis/backfire_map.py            # 19 × 19 points, half a minute
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from scipy.optimize import brentq

from analysis import look
from ecosystem.influence import Influence, influence
from scenarios import pair

TARGETS = {"theta": "effect on theta itself", "phi": "effect on phi, which reads theta"}
LEVELS = (0.2, 0.4, 0.6, 0.8)  # of curation, at which the change of sign is looked for


def main(argv: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--steps", type=int, default=19, help="values of coupling and of curation")
    parser.add_argument(
        "--levels", type=float, nargs="+", default=LEVELS, help="curation at which signs are looked for"
    )
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the picture")
    asked = parser.parse_args(argv)
    table = effects(np.linspace(0.05, 0.95, asked.steps))
    signs = pd.DataFrame([{"curation": c} | {name: sign_change(name, c) for name in TARGETS} for c in asked.levels])
    print("coupling past which a little more curation does harm (–: none between 0.05 and 0.99)")
    print(signs.to_string(index=False, float_format="%.4f", na_rep="–"))
    torn = (table["theta"] > 0) & (table["phi"] < 0)
    words = (
        f"of {len(table)} points, {(table['theta'] < 0).sum()} backfire on theta, {(table['phi'] < 0).sum()} harm phi"
    )
    print(f"{words}, {torn.sum()} help theta and harm phi; {table['formal'].sum()} are formal")
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "backfire_map.csv", index=False, float_format="%.9g")
    draw(table, signs, asked.out / "backfire_map.png")
    return table, signs


def solved(coupling: float, curation: float) -> Influence:
    return influence(pair.scenario(coupling, curation, samples=None), sources=["theta"])


def effects(axis: np.ndarray) -> pd.DataFrame:
    """One row a point of the plane: what theta's curation does to theta and to phi."""
    rows = []
    for coupling in axis:
        for curation in axis:
            found = solved(float(coupling), float(curation))
            rows.append(
                {"coupling": coupling, "curation": curation, **found.matrix["theta"], "formal": bool(found.formal)}
            )
    return pd.DataFrame(rows)


def sign_change(target: str, curation: float) -> float:
    """The coupling at which the effect on the target is zero; NaN where it keeps its sign."""

    def effect(coupling: float) -> float:
        return float(solved(coupling, curation).matrix.at[target, "theta"])

    low, high = 0.05, 0.99
    return float(brentq(effect, low, high, xtol=1e-7)) if effect(low) * effect(high) < 0 else np.nan  # type: ignore[arg-type]


def draw(table: pd.DataFrame, signs: pd.DataFrame, path: Path) -> None:
    figure = look.canvas(look.WIDE, 4.7)
    left, right = figure.subplots(1, 2, sharey=True)
    top = float(np.ceil(table[[*TARGETS]].abs().max().max()))
    maps = {name: panel(axes, table, name, top) for axes, name in zip((left, right), TARGETS, strict=True)}
    line(right, table, "theta", linewidths=1.0, linestyles="dashed")
    left.set_ylabel("how much theta curates (level λ)", color=look.INK)
    write(left, "more curation\nhelps theta", (0.3, 0.46))
    write(left, "backfires on theta", (0.72, 0.84))
    write(right, "more curation at theta\nhelps phi", (0.4, 0.3))
    write(right, "theta’s own limit", (0.27, 0.9))
    write(right, "helps theta,\nharms phi", (0.67, 0.16), (0.925, 0.2))
    for _, row in signs.iterrows():
        if np.isclose(row["curation"], 0.4) and np.isfinite(row["phi"]):
            right.plot(row["phi"], 0.4, "o", color=look.INK, markersize=6)
            write(right, f"changes sign\nat {row['phi']:.3f}", (0.67, 0.5), (row["phi"], 0.4))
    bar = figure.colorbar(maps["phi"], ax=[left, right], location="bottom", shrink=0.6, aspect=40, pad=0.03)
    bar.set_label("change of alignment per unit of curation (dJ/dλ): brown harms, teal helps", color=look.INK)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.tick_params(labelsize=9, labelcolor=look.SOFT, color=look.FAINT)
    path.write_bytes(look.png(figure))


def panel(axes: Axes, table: pd.DataFrame, name: str, top: float) -> AxesImage:
    """Colours centred at zero, the line where the effect is zero, hatching where the point is formal."""
    wide = table.pivot(index="curation", columns="coupling", values=name)
    low, high = float(wide.index[0]), float(wide.index[-1])
    half = (high - low) / (len(wide) - 1) / 2
    box = (low - half, high + half, low - half, high + half)
    image = axes.imshow(
        wide,
        cmap="BrBG",
        norm=Normalize(-top, top),
        interpolation="bicubic",
        aspect="auto",
        extent=box,
        origin="lower",
    )
    line(axes, table, name, linewidths=2.0)
    if table["formal"].any():
        formal = table.pivot(index="curation", columns="coupling", values="formal").astype(float)
        axes.contourf(formal.columns, formal.index, formal, [0.5, 1.5], colors="none", hatches=["///"])
    look.tidy(axes, "how strongly phi follows theta (coupling t)", title=TARGETS[name])
    axes.grid(False)
    ticks = [0.1, 0.3, 0.5, 0.7, 0.9]
    axes.set(xlim=(low, high), ylim=(low, high), xticks=ticks, yticks=ticks)
    return image


def line(axes: Axes, table: pd.DataFrame, name: str, **stroke: Any) -> None:
    """Where the effect on a member is zero."""
    wide = table.pivot(index="curation", columns="coupling", values=name)
    if wide.min().min() < 0 < wide.max().max():
        axes.contour(wide.columns, wide.index, wide, [0.0], colors=look.INK, **stroke)


def write(axes: Axes, words: str, place: tuple[float, float], at: tuple[float, float] | None = None) -> None:
    """Words, with a thin line to what they speak of."""
    thin = {"arrowstyle": "-", "color": look.INK, "linewidth": 0.8, "shrinkA": 2, "shrinkB": 0}
    axes.annotate(
        words,
        at or place,
        place,
        ha="center",
        va="center",
        color=look.INK,
        fontsize=10,
        arrowprops=thin if at else None,
    )


if __name__ == "__main__":
    main()
