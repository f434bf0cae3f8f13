"""When theta's users curate more, who gains? Nine couplings of two models that learn real images perfectly.

The population of ``scenarios/tinted_digits.py`` (``exact``): real images are symbols, a model is a categorical of them,
and what Luce's users keep of six is known in closed form. theta's curation level goes from 0.5 to 0.6, phi's stays 0.5;
shown is the change of both alignments after 24 rounds and in the long run (300), with the weights of band and realism
that reproduce the figure of Zhang, Wei, Zhang 2026 (2605.29267), (2, 0.3), and with those that the paper prints.

What came out, in the long run: theta gains in A1, A2, A3, A5 and A6 (+.245, +.216, +.163, +.199, +.037), phi loses in
A1, A2, A3 and A5 (−.018, −.021, −.013, −.010). In A4 phi gains what theta loses sevenfold (+.021, −.003). In B1 to B3
theta's own curation backfires (−.021, −.018, −.022). As printed, no change exceeds .0024: nothing that networks could
show.

    .venv/bin/python analysis/image_population.py            # half a minute
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import look
from scenarios.tinted_digits import SETTINGS, WEIGHTS, exact

NAMES = {"theta": "theta, whose users curate more (J_p)", "phi": "phi (J_q)"}
PRINTED = (0.3, 0.3)


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS))
    parser.add_argument("--rounds", type=int, nargs="+", default=[24, 300])
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the table and picture")
    asked = parser.parse_args(argv)
    table = pd.concat([changes(asked.settings, asked.rounds, weights) for weights in (WEIGHTS, PRINTED)])
    print(table.to_string(index=False, float_format="%.4f"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "image_population.csv", index=False, float_format="%.6g")
    draw(table, asked.out / "image_population.png")
    return table


def changes(settings: Sequence[str], rounds: Sequence[int], weights: tuple[float, float]) -> pd.DataFrame:
    """A row a setting, number of rounds and member: alignment at both levels and its change."""
    rows = []
    for setting in settings:
        for many in rounds:
            low, high = (exact(setting, level, many, weights=weights) for level in (0.5, 0.6))
            for name in NAMES:
                row = {"band": weights[0], "realism": weights[1], "setting": setting, "rounds": many, "member": name}
                rows.append(row | {"J at 0.5": low[name], "J at 0.6": high[name], "change": high[name] - low[name]})
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, path: Path) -> None:
    figure = look.canvas(look.WIDE, 3.6)
    panels = figure.subplots(1, 2)
    own = table[table["band"] == WEIGHTS[0]]
    settings = list(own["setting"].unique())
    place = np.arange(len(settings))
    for axes, (name, words), colour, letter in zip(panels, NAMES.items(), look.COLOURS, "ab", strict=False):
        axes.axhline(0, color=look.SOFT, linewidth=0.8)
        many = sorted(own["rounds"].unique())
        for number, rounds in enumerate(many):
            rows = own[(own["member"] == name) & (own["rounds"] == rounds)].set_index("setting")["change"][settings]
            offset = (number - (len(many) - 1) / 2) * 0.36
            faded = 1.0 if number == len(many) - 1 else 0.45
            axes.bar(place + offset, rows, 0.34, color=colour, alpha=faded, label=f"after {rounds} rounds")
        axes.set_xticks(place, settings)
        look.tidy(axes, title=f"{letter}   {words}")
        axes.legend(frameon=False, fontsize=8)
    panels[0].set_ylabel("change of alignment, 0.5 → 0.6", color=look.INK)
    path.write_bytes(look.png(figure))


if __name__ == "__main__":
    main()
