"""Is a planted ecosystem found again from what it shows, and does a fit say what it cannot tell?

A hundred networks of three to eight members are planted, half of normal laws whose users move samples by a vector, half
of laws on four symbols whose users choose one of two; each is seen for 30 rounds with the noise of 200 samples a round
(means of the normal ones, alignments of the others). Free are levels, strengths or temperatures and a raw share, fitted
from other numbers than the planted ones.

What came out: 95.7 % of 698 intervals at 95 % hold what was planted (95.5 % of those of symbols, 95.8 % of those of
normal laws). That only the product of level and strength is seen is flagged in all 50 networks where it is so and in
none of the others; with the level stepped in round 15 both are found again, to 3 % (median). In 2 of 50 networks of
symbols the search ended at a temperature near 0, where it moves nothing any more, and says that it is unseen.

    .venv/bin/python analysis/recover.py                 # a quarter of an hour
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ecosystem import (
    Categorical,
    Curate,
    Flow,
    Linear,
    Location,
    Luce,
    Member,
    Record,
    Scenario,
    Shift,
    Tabular,
    every,
    fit,
)
from ecosystem.decisions import Fit, Parameters

SAMPLES, ROUNDS, SYMBOLS = 200, 30, 4
STEP = 15  # the round in which the level is stepped


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first network")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the table")
    asked = parser.parse_args(argv)
    rows = [row for i in range(asked.networks) for row in recovered(asked.seed + i)]
    table = pd.DataFrame(rows)
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "recover.csv", index=False, float_format="%.6g")
    print(summary(table).to_string(index=False, float_format="%.3f"))
    return table


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """By case and family: in how many networks numbers trade off, or one is not seen, and how many intervals hold."""
    rows = []
    for (case, family), part in table.groupby(["case", "family"], sort=True):
        known = part[~part["unbounded"]]
        lost = part.groupby("network")["unbounded"].sum()
        inside = known["planted"].between(known["low"], known["high"])
        rows.append(
            {
                "case": case,
                "family": family,
                "networks": len(lost),
                "ridges": int((lost >= 2).sum()),
                "unseen": int((lost == 1).sum()),
                "intervals": len(known),
                "covered": inside.mean(),
                "error": (known["error"] / known["planted"]).median(),  # of the planted number
            }
        )
    return pd.DataFrame(rows)


def recovered(seed: int) -> Iterator[dict]:
    """A row for each free number of a planted network; of normal laws also with a ridge, and with the level stepped."""
    family = ("location", "categorical")[seed % 2]
    for case in ("plain", "ridge", "step") if family == "location" else ("plain",):
        scenario, free = planted(seed, family, case)
        found, truth = fitted(scenario, free, seed)
        table = found.estimates.set_index("parameter")
        for name, value in truth.items():
            row = table.loc[name, ["start", "estimate", "error", "low", "high"]].to_dict()
            told = {"unbounded": name in found.unbounded, "p": found.p}
            yield {"network": seed, "family": family, "case": case, "parameter": name, "planted": value, **row, **told}


def fitted(scenario: Scenario, free: list[str], seed: int) -> tuple[Fit, dict[str, float]]:
    """A fit to what a scenario shows, from other numbers than its own; and these."""
    rng = np.random.default_rng([seed, 1])
    parameters = Parameters(scenario, free)
    away = parameters.values * np.exp(rng.uniform(-0.3, 0.3, len(free)))
    begin = parameters.scenario_at(away)
    truth = dict(zip(parameters.names, parameters.values.tolist(), strict=True))
    return fit(begin, observed(scenario, rng), free, starts=3, seed=seed), truth


def observed(scenario: Scenario, rng: np.random.Generator) -> pd.DataFrame:
    """What 200 samples of each member tell in each round, with the standard deviation of that."""
    run = scenario.run(record=Record(parameters=every(1)))
    rows = []
    for member, rounds in run.history.items():
        reward = scenario.member(member).reward
        for number, parameters in rounds.items():
            if "probabilities" in parameters:
                p, r = parameters["probabilities"][0].numpy(), reward.values.numpy()
                mean = rng.multinomial(SAMPLES, p) @ r / SAMPLES
                sd = np.sqrt((p @ r**2 - (p @ r) ** 2) / SAMPLES)
                rows.append((member, number, "alignment", mean, sd))
            else:
                sd = float(parameters["scale"][0]) / SAMPLES**0.5
                for i, value in enumerate(parameters["mean"][0].tolist()):
                    rows.append((member, number, f"mean[{i}]", value + sd * rng.normal(), sd))
    return pd.DataFrame(rows, columns=["member", "round", "measure", "value", "sd"])


def planted(seed: int, family: str, case: str = "plain") -> tuple[Scenario, list[str]]:
    """A ring with links across; in the case of a ridge the hub reads one member alone, some of it chosen, some not."""
    rng = np.random.default_rng([seed, 0])
    names = [f"m{i}" for i in range(int(rng.integers(3, 9)))]
    s = Scenario(f"{family} {seed} {case}", rounds=ROUNDS)
    for name in names:
        s.add(name, _member(rng, family))
    for i, name in enumerate(names):
        raw, curated, own = rng.uniform(0.1, 0.25), rng.uniform(0.25, 0.45), rng.uniform(0.1, 0.2)
        if case != "plain" and i == 0:
            s.connect(names[-1], name, Flow(raw=1 - curated, curated=curated, chosen_by="consumer"))
        else:
            s.connect(names[i - 1], name, Flow(raw=raw, curated=curated, chosen_by="consumer"))
            s.connect(name, name, Flow(raw=own))
    if case == "step":
        s.at(STEP, Curate("m0", 0.15))
    how = "strength" if family == "location" else "temperature"
    return s, ["level(m0)", f"{how}(m0)", f"{how}(m1)", "raw(m1 -> m2)"]


def _member(rng: np.random.Generator, family: str) -> Member:
    if family == "location":
        vector = rng.normal(size=2)
        vector *= rng.uniform(0.5, 2.0) / np.linalg.norm(vector)
        start, real = (Location(rng.normal(size=2), scale=0.5) for _ in range(2))
        return Member(start, reward=Linear(rng.normal(size=2)), curator=Shift(vector), real=real)
    start, real = (Categorical(torch.from_numpy(rng.dirichlet(np.full(SYMBOLS, 4.0)))) for _ in range(2))
    reward = Tabular(rng.permutation(np.linspace(0, 2, SYMBOLS)) + 0.2 * rng.normal(size=SYMBOLS))
    return Member(start, reward=reward, curator=Luce(2, temperature=rng.uniform(0.5, 1.5)), real=real)


if __name__ == "__main__":
    main()
