"""When does curation backfire, and which number of the network decides it?

Two models, ``scenarios/pair.py``, of which five numbers vary: how strongly phi follows theta (coupling), how much of
what theta reads its users choose (curation), how far they push it (push, 1: the published experiment), and how much
real data either of them has (up to a fifth). A Sobol design over all of them (Saltelli's, 256 base points), solved
exactly: when does a little more curation, which leaves less of all else, lower theta's own alignment (it backfires),
and when phi's (it harms)?

Curation backfires on theta in 27 % of the 1,792 networks, and its own level decides: it explains 57 % of the
differences in the effect alone and 81 % with what it does together with others, above all with the push (7 % alone,
36 % with others); the coupling, which the published experiment varies, 9 % with others. In a box, it backfires in 84
% of the networks with curation > .57 and push > 1.03, which are 85 % of all where it does. Harm to phi is rarer, 7 %,
and another number decides it: the coupling, 66 % with others. It is harmed in 67 % of the networks with coupling >
.81 and curation > .49, 83 % of all where it is; no box is as dense as 80 %. Real data of up to a fifth decide little:
10 % at most, with others. Intervals are wide with 256 base points, ± .21 and ± .28 on the strongest: that curation
comes first for theta is clear, that coupling does for phi is likely (.38 to .94 against .11 to .60 for curation),
other digits are not.

    .venv/bin/python analysis/when_backfire.py           # 1,792 networks, a quarter of an hour on two cores
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis import look
from ecosystem import Flow, LinearMap, Location, Member, Quadratic, Scenario, Shift, Study
from ecosystem.study import Results
from ecosystem.study.sensitivity import Discovery
from scenarios import pair

BOUNDS = {
    "coupling": (0.02, 0.98),
    "curation": (0.05, 0.95),
    "push": (0.5, 2.0),
    "real_theta": (0.0, 0.2),
    "real_phi": (0.0, 0.2),
}
EFFECTS = {
    "M[theta, theta] < 0": ("theta on itself", "backfires on theta"),
    "M[phi, theta] < 0": ("theta on phi", "harms phi"),
}


def network(coupling: float, curation: float, push: float, real_theta: float, real_phi: float) -> Scenario:
    """The pair of ``scenarios/pair.py`` with real data, which is where both models begin."""
    system, noise = pair.SYSTEM, pair.SYSTEM["sigma"]
    start = [0.0] * system["dim"]
    likes_p, likes_q = (Quadratic(system[f"g_{m}"], system[f"eta_{m}"]) for m in "pq")
    real = Location(start, noise)
    s = Scenario("pair", rounds=1)
    curator = Shift([push * a for a in system["a"]])
    s.add("theta", Member(Location(start, noise), reward=likes_p, curator=curator, real=real))
    s.add("phi", Member(Location(start, noise), reward=likes_q, real=real))
    read = 1 - real_theta
    chosen = Flow(raw=read * (1 - curation), curated=read * curation, chosen_by="consumer")
    s.connect("phi", "theta", chosen)
    s.connect("theta", "phi", Flow(raw=1 - real_phi, transform=LinearMap(pair.coupling_matrix(coupling))))
    return s


def main(argv: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--points", type=int, default=256, help="base points of the Sobol design, a power of two")
    parser.add_argument("--method", default="prim", help="of discovery: prim (ema_workbench) or tree")
    parser.add_argument("--study", type=Path, help="folder of the study; else it is kept nowhere")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of tables and picture")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as nowhere:
        results = solved(asked.points, asked.study or Path(nowhere) / "study")
        found = {condition: results.discover(condition, method=asked.method) for condition in EFFECTS}
        indices = results.sensitivity("influence", member=[name for name, _ in EFFECTS.values()]).table
        points = results.points
    print(indices.drop(columns="other").to_string(index=False, float_format="%.3f"))
    for discovery in found.values():
        print(discovery)
    asked.out.mkdir(parents=True, exist_ok=True)
    boxes = pd.concat([d.table.assign(condition=condition) for condition, d in found.items()], ignore_index=True)
    indices.drop(columns="other").to_csv(asked.out / "when_backfire.csv", index=False, float_format="%.6g")
    boxes.to_csv(asked.out / "when_backfire_boxes.csv", index=False, float_format="%.6g")
    draw(points, indices, found, asked.out / "when_backfire.png")
    return indices, boxes


def solved(points: int, folder: Path) -> Results:
    """The exact influence at every point of the design."""
    study = Study.sobol("when curation backfires", network, BOUNDS, points=points, measure=("influence",))
    return study.run(folder, progress=True)


def draw(points: pd.DataFrame, indices: pd.DataFrame, found: dict[str, Discovery], path: Path) -> None:
    figure = look.canvas(look.WIDE, 7.6)
    axes = figure.subplots(2, 2)
    for row, (condition, (name, words)) in enumerate(EFFECTS.items()):
        bars(axes[row, 0], indices[indices["name"] == name], f"what decides the effect of {name}")
        plane(axes[row, 1], points, found[condition], words)
    path.write_bytes(look.png(figure))


def bars(axes: Axes, table: pd.DataFrame, title: str) -> None:
    """First and total indices of each parameter, with their intervals."""
    wide = table.pivot(index="parameter", columns="index", values=["value", "low", "high"])
    wide = wide.loc[wide["value", "total"].sort_values().index]
    places = np.arange(len(wide))
    for index, shift, colour in (("total", 0.19, look.COLOURS[0]), ("first", -0.19, look.COLOURS[1])):
        value = wide["value", index].to_numpy()
        half = wide["high", index].to_numpy() - value
        label = "alone" if index == "first" else "with others"
        axes.barh(places + shift, value, 0.36, color=colour, xerr=half, ecolor=look.SOFT, label=label)
    axes.set_yticks(places, list(wide.index))
    look.tidy(axes, "share of the variance over networks", title=title)
    axes.legend(frameon=False, fontsize=9, loc="lower right")


def plane(axes: Axes, points: pd.DataFrame, found: Discovery, words: str) -> None:
    """The networks in the plane of coupling and curation, and the boxes that have limits there."""
    held = found.held > 0
    for inside, colour, alpha in ((~held, look.FAINT, 0.6), (held, look.COLOURS[1], 0.6)):
        axes.scatter(points["coupling"][inside], points["curation"][inside], s=5, color=colour, alpha=alpha, lw=0)
    for box in found.boxes[:1]:  # the first one covers most
        ends = []
        for name in ("coupling", "curation"):
            limit = box.limits.get(name)
            low, high = BOUNDS[name]
            ends.append((max(low, limit.low), min(high, limit.high)) if limit else (low, high))
        (left, right), (bottom, top) = ends
        frame = Rectangle((left, bottom), right - left, top - bottom, fill=False, edgecolor=look.INK, lw=1.8)
        axes.add_patch(frame)
        more = [limit.told(name) for name, limit in box.limits.items() if name not in ("coupling", "curation")]
        limits = "".join(f", {limit}" for limit in more)
        words += f"\nframe{limits}: {box.density:.0%} of these, {box.coverage:.0%} of all"
    look.tidy(axes, "coupling", title=f"{found.share:.0%} of networks: curation {words}")
    axes.set_ylabel("curation", color=look.INK)
    axes.grid(False)


if __name__ == "__main__":
    main()
