"""What of a supply chain of AI assets hangs on what nobody publishes?

Reads the study of ``scenarios/supply_chain.py``: shares of real data and of curation, how assets count and how alike
tastes are, drawn from priors; at each draw two points and mixtures of both. First-order and total Sobol indices say
which part of an outcome's variance a parameter makes alone, and with all others.

Of 1,024 draws: the real share alone makes .30 of what is uncertain of alignment in the core and .22 around it (with all
others .51 and .43), the curated share about as much (.26 and .22; .44 and .41), agreement of tastes .16 and .26 (.32
and .48). What the hub's curation does to the others hangs on the real share and on agreement, .39 each (.57, .56),
hardly on how much is curated already (.03); the pace on the real share (.96). How assets are counted makes less than
.005 of anything. These are numbers of the stand-in, by the closed form of this linear network; at 557 points of the
study the engine's own were the same to 1e-14.

    .venv/bin/python analysis/supply_chain.py --closed --size 1024     # a minute
    .venv/bin/python analysis/supply_chain.py                          # by the study of 128 draws: ten minutes
    .venv/bin/python analysis/supply_chain.py --assets all_assets.csv --study runs/mine
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import sobol_indices

from analysis import look
from analysis.plane import opened
from ecosystem.cli.loading import load_study
from ecosystem.study import Results
from scenarios import supply_chain

RESAMPLES = 500
OUTCOMES = ("core", "rim", "reach", "radius")
PER_DRAW = 2 + len(supply_chain.PRIORS)
Values = dict[str, np.ndarray]


def main(argv: Sequence[str] | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--study", type=Path, default=Path("runs/supply_chain"), help="its folder; computed if need be")
    parser.add_argument("--assets", default="", help="your copy of the table of assets; without it a stand-in")
    parser.add_argument("--size", type=int, default=128, help="draws of the priors, a power of 2, if it is computed")
    parser.add_argument("--closed", action="store_true", help="no study: its points by linear algebra, in seconds")
    parser.add_argument("--workers", type=int, help="that compute it; 0 is this process")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the picture")
    asked = parser.parse_args(argv)
    if asked.closed:
        values = by_hand(asked.size, asked.assets)
    else:
        study = load_study(Path(supply_chain.__file__), {"assets": asked.assets, "size": asked.size})
        values = measured(opened(asked.study, study, asked.workers))
    spread, found = uncertain(values), explained(values)
    print("outcomes where the priors are drawn: mean, standard deviation, and what nine of ten lie between")
    print(spread.to_string(index=False, float_format="%.3f"))
    print("the part of an outcome's variance that a parameter makes alone (first), and with all others (total)")
    print(found.to_string(index=False, float_format="%.2f"))
    asked.out.mkdir(parents=True, exist_ok=True)
    found.to_csv(asked.out / "supply_chain.csv", index=False, float_format="%.6g")
    draw(found, asked.out / "supply_chain.png")
    return spread, found


# -- the answers -------------------------------------------------------------------------------------------------------


def measured(results: Results) -> Values:
    """Each outcome at the points of each draw of the priors, ``[draws, 2 + parameters]``."""
    table = results.with_parameters("outcomes").sort_values("point")
    if len(table) % PER_DRAW:
        raise ValueError(f"the study has {len(table)} outcomes, no whole number of draws of {PER_DRAW} points each")
    return {name: table[name].to_numpy().reshape(-1, PER_DRAW) for name in OUTCOMES}


def by_hand(size: int, assets: str = "") -> Values:
    """The same by the closed form."""
    rows = supply_chain.points(size).to_dict("records")
    table = pd.DataFrame([supply_chain.closed_form(assets=assets, **row) for row in rows])
    return {name: table[name].to_numpy().reshape(-1, PER_DRAW) for name in OUTCOMES}


def uncertain(values: Values) -> pd.DataFrame:
    """What the priors say of each outcome, of the points ``A`` and ``B`` of every draw."""
    rows = {name: value[:, :2] for name, value in values.items()}
    return pd.DataFrame(
        {
            "outcome": list(rows),
            "mean": [row.mean() for row in rows.values()],
            "deviation": [row.std() for row in rows.values()],
            "low": [np.quantile(row, 0.05) for row in rows.values()],
            "high": [np.quantile(row, 0.95) for row in rows.values()],
        }
    )


def explained(values: Values) -> pd.DataFrame:
    """A row an outcome and parameter: its indices, with intervals of 95 % by resampling the draws."""
    tables = [indices(value, list(supply_chain.PRIORS)) for value in values.values()]
    return pd.concat(tables, keys=values, names=["outcome"]).reset_index(level=0).reset_index(drop=True)


def indices(values: np.ndarray, parameters: Sequence[str], resamples: int = RESAMPLES) -> pd.DataFrame:
    """First-order and total Sobol indices of a measure at ``A``, ``B`` and ``AB_i``, ``[draws, 2 + parameters]``.

    By the estimators of Saltelli et al. 2010 and Jansen, as in SciPy. Columns: parameter, first, first_low, first_high,
    total, total_low, total_high. NaN where the measure is the same everywhere. With few draws the two points of a draw
    happen to be alike or opposite, which no resampling shows: take 128 or more.
    """
    rng, size = np.random.default_rng(0), len(values)
    point = _estimated(values)
    again = np.array([_estimated(values[rng.integers(size, size=size)]) for _ in range(resamples)])
    low, high = np.quantile(again, [0.025, 0.975], axis=0)
    columns = {"parameter": list(parameters)}
    for i, name in enumerate(("first", "total")):
        columns |= {name: point[i], f"{name}_low": low[i], f"{name}_high": high[i]}
    return pd.DataFrame(columns)


def _estimated(values: np.ndarray) -> np.ndarray:
    """First and total indices, ``[2, parameters]``."""
    if np.ptp(values) == 0:
        return np.full((2, values.shape[1] - 2), np.nan)
    a, b, mixed = values[:, 0], values[:, 1], values[:, 2:].T
    found = sobol_indices(func={"f_A": a[None], "f_B": b[None], "f_AB": mixed[:, None]}, n=len(values))
    return np.stack([np.asarray(found.first_order).reshape(-1), np.asarray(found.total_order).reshape(-1)])


# -- the picture -------------------------------------------------------------------------------------------------------


def draw(found: pd.DataFrame, path: Path) -> None:
    """A panel an outcome: for each parameter its total index, and what it makes alone within it."""
    names = list(dict.fromkeys(found["outcome"]))
    figure = look.canvas(look.WIDE, 3.2)
    for number, (ax, name) in enumerate(zip(np.ravel(figure.subplots(1, len(names))), names, strict=True)):
        rows = found[found["outcome"] == name].iloc[::-1]
        error = np.stack([rows["total"] - rows["total_low"], rows["total_high"] - rows["total"]]).clip(0)
        ax.barh(rows["parameter"], rows["total"], color=look.mix(look.COLOURS[0], "white", 0.6), xerr=error)
        ax.barh(rows["parameter"], rows["first"].clip(lower=0), color=look.COLOURS[0], height=0.4)
        look.tidy(ax, "part of the variance", "", name)
        if number:
            ax.set_yticklabels([])
    path.write_bytes(look.png(figure))


if __name__ == "__main__":
    main()
