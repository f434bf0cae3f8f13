"""How does theta's curation reach phi, round by round, when both are image models?

Measures influence on ``scenarios/tinted_digits.py`` (setting A2: phi takes 80 % of its curated images from theta, theta
20 % of its own from phi), with the weights that the paper prints and users who decide (temperature 0.1): paired runs at
curation levels ``0.5 ± 0.1``, of theta and then of phi, with common random numbers. Prints the effect on both models
over the last rounds, and draws how it grows, with Student's 95 % intervals over seeds.

What came out, per unit of curation, over rounds 11 to 16: theta's curation helps theta (0.08, between 0.003 and 0.16);
phi's harms phi (−0.025, between −0.040 and −0.010), whose curated images are mostly chosen by theta's users. Neither
reaches the other so that three seeds would tell (−0.01 ± 0.07 and 0.00 ± 0.03). In round 1 the other model has read
nothing new yet, and its effect is 0 exactly. (The table and the figure were made when both models had starts of their
own, and realism compared with the mean deviation of images; they have not been made again since.)

    .venv/bin/python analysis/image_response.py            # ten minutes
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis import look
from ecosystem.influence import measure_influence
from scenarios import tinted_digits

PRINTED = (0.3, 0.3)  # of band and realism


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--setting", default="A2")
    parser.add_argument("--temperature", type=float, default=0.1, help="of the users' choice")
    parser.add_argument("--delta", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--burn-in", type=int, default=10, help="rounds before those that are averaged")
    parser.add_argument("--hold", type=int, default=10, help="rounds before the learning rate falls")
    parser.add_argument("--judged", type=int, default=300, help="images by which a model is judged in a round")
    parser.add_argument("--warm-up", type=int, default=2000, help="steps of training before the first round")
    parser.add_argument("--rounds", type=int, default=16)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of table and picture")
    asked = parser.parse_args(argv)
    scenario = tinted_digits.scenario(
        asked.setting,
        rounds=asked.rounds,
        samples=asked.samples,
        steps=asked.steps,
        hold=asked.hold,
        warm_up=asked.warm_up,
        temperature=asked.temperature,
        weights=PRINTED,
    )
    found = measure_influence(
        scenario, delta=asked.delta, seeds=asked.seeds, burn_in=asked.burn_in, judged=asked.judged
    )
    print(found.table.to_string(index=False, float_format="%.4f"))
    asked.out.mkdir(parents=True, exist_ok=True)
    found.table.to_csv(asked.out / "image_response.csv", index=False, float_format="%.6g")
    draw(found.response, asked.seeds, asked.out / "image_response.png")
    return found.table


def draw(response: pd.DataFrame, seeds: int, path: Path) -> None:
    """A panel for each target, a line for each source."""
    figure = look.canvas(look.WIDE, 3.8)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, target, letter in zip(panels, ("theta", "phi"), "ab", strict=True):
        for source, colour in zip(("theta", "phi"), look.COLOURS, strict=False):
            rows = response[(response["source"] == source) & (response["target"] == target)]
            axes.fill_between(rows["round"], rows["low"], rows["high"], color=colour, alpha=0.15, linewidth=0)
            axes.plot(
                rows["round"], rows["effect"], "o-", color=colour, markersize=3, label=f"more curation at {source}"
            )
        axes.axhline(0, color=look.SOFT, linewidth=0.8)
        look.tidy(axes, "round", "", f"{letter}   alignment of {target}")
    panels[0].set_ylabel("effect per unit of curation", color=look.INK)
    handles, labels = panels[0].get_legend_handles_labels()
    labels[-1] += f"      (bands: 95 % intervals over {seeds} seeds)"
    look.key_below(figure, handles, 2, labels)
    path.write_bytes(look.png(figure))


if __name__ == "__main__":
    main()
