"""What becomes of the claims of the literature when its systems are played by one engine?

Each row of the table is a claim with a number in it: what its authors say, what comes out here, and a verdict that
follows from the two. Numbers of populations are exact and must agree within a millionth; numbers of samples come with
a 99 % interval over replicates, in which the claimed one must lie. Where a claim is refuted, its row is the
counterexample.

    .venv/bin/python analysis/literature.py              # half a minute
"""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student

from ecosystem import Ecosystem, Record, Run, Scenario, every
from ecosystem.influence import certificates, stability, stable_point
from scenarios import (
    adversarial,
    alignment_game,
    collapse,
    drifting,
    ferbach,
    heterogeneous,
    networked,
    performative,
    verified,
)

CLOSE = 1e-6  # of numbers that are exact
CONFIDENCE = 0.99


@dataclass(frozen=True)
class Said:
    """The number that is claimed, and in what ``sense``: ``"is"`` or ``"at most"``."""

    number: float
    sense: str = "is"

    def holds(self, ours: float, half: float) -> bool:
        return ours - self.number <= half and (self.sense == "at most" or self.number - ours <= half)


@dataclass(frozen=True)
class Claim:
    """What a ``source`` (an arXiv number, as in docs/literature.md) claims, in words and as a number.

    ``play`` makes it here: one exact number, or one of each replicate ``[r]``.
    """

    source: str
    claim: str
    said: Said
    play: Callable[[], float | np.ndarray]
    command: str

    def row(self) -> dict[str, object]:
        """The claim beside what came out."""
        found = np.atleast_1d(np.asarray(self.play(), dtype=float))
        ours, half = float(found.mean()), CLOSE * max(1.0, abs(self.said.number))
        if len(found) > 1:
            half = float(student.ppf((1 + CONFIDENCE) / 2, len(found) - 1) * found.std(ddof=1) / math.sqrt(len(found)))
        low, high = (ours - half, ours + half) if len(found) > 1 else (ours, ours)
        return {
            "source": self.source,
            "claim": self.claim,
            "sense": self.said.sense,
            "claimed": self.said.number,
            "ours": ours,
            "low": low,
            "high": high,
            "verdict": "holds" if self.said.holds(ours, half) else "does not hold",
            "command": self.command,
        }


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the table")
    asked = parser.parse_args(argv)
    table = pd.DataFrame([claim.row() for claim in CLAIMS])
    print(table[["source", "claimed", "ours", "verdict", "claim"]].to_string(index=False, float_format="%.7g"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "literature.csv", index=False, float_format="%.10g")
    return table


# -- how a claim is played ---------------------------------------------------------------------------------------------


def ends(scenario: Scenario, name: str = "model") -> torch.Tensor:
    """The law of a categorical member when the rounds are over, ``[n]``."""
    return probabilities(scenario.run(), name)[0]


def probabilities(run: Run, name: str) -> torch.Tensor:
    return run.parameters[name]["probabilities"]


def _tilted() -> float:
    """The largest difference to ``p_0 e^{t r}``, normalised, after five rounds."""
    p, r = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.arange(3).double()
    return float((ends(ferbach.scenario(k=0, rounds=5)) - torch.softmax(p.log() + 5 * r, 0)).abs().max())


def _mixture() -> np.ndarray:
    """What the favourite component weighs after two rounds, by replicate."""
    run = ferbach.scenario(mixture=True, rounds=2).run(replicates=40)
    return run.parameters["model"]["weights"][:, 2].numpy()


def _crossing() -> float:
    """The part of attackers at which the first round leaves the expected ``e^r`` as it is, from two others."""
    odds = torch.arange(1, 5).double()
    low, high = (
        float(ends(adversarial.scenario(attackers=part, rounds=1)) @ odds) - 2.5 for part in (0.0, 1.0)
    )  # linear in the part
    return low / (low - high)


def _locks_in() -> float:
    """The smallest curated part, of steps of .001, at which a lead of .99 is kept."""
    parts = np.arange(0.420, 0.435, 0.001)
    eco = Ecosystem([drifting.scenario(curated=part, drift=1.0, rounds=2000) for part in parts])
    eco.run()
    kept = [float(probabilities(eco.result(variant), "model")[0, 0]) > 0.2 for variant in range(len(parts))]
    return float(parts[kept.index(True)])


def _diversity(graph: str) -> float:
    """The most that the graph lets members differ, against their real data."""
    found = certificates(networked.scenario(graph=graph)).diversity
    return found.bound / found.real


def _raised() -> float:
    found = certificates(networked.scenario(graph="one")).diversity
    return found.exact / found.real


def _settled(effect: float) -> float:
    return float(performative.scenario(effect=effect, rounds=400).run().parameters["learner 0"]["mean"])


def _collapsing() -> float:
    return float(certificates(collapse.scenario()).members["collapses"].sum())


def _owners_mass(k: int) -> float:
    """What is left in the end of what the owner likes best."""
    return float(ends(alignment_game.scenario(k=k))[0])


def _rate(part: float) -> float:
    return stability(drifting.scenario(curated=part, lead=0.0)).radius


def _verified(radius: float) -> float:
    return float(stable_point(verified.scenario(radius=radius)).parameters["model"])


def _favoured() -> float:
    return float(ends(drifting.scenario(drift=0.0, lead=1.0))[0])


def _served() -> float:
    return float(ends(heterogeneous.scenario(rounds=600))[:2].sum())


def _bounded() -> float:
    """The largest ratio to the bound, of all symbols over 200 rounds."""
    s, data = ferbach.scenario(share=0.2, rounds=200), torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    kept = s.run(record=Record(parameters=every(1))).history["model"].values()
    return float(torch.stack([law["probabilities"][0] / data for law in kept]).max() / (0.8 / (1 - 4 * 0.2)))


def _run(scenario: str, **settings: object) -> str:
    return " ".join(["ecosystem run", f"scenarios/{scenario}.py", *(f"--set {k}={v}" for k, v in settings.items())])


CLAIMS = (
    Claim(
        "2407.09499",
        "of infinitely many candidates, without real data, p_t is p_0 e^(tr), normalised; distance after 5 rounds",
        Said(0.0),
        _tilted,
        _run("ferbach", k=0, rounds=5),
    ),
    Claim(
        "2407.09499",
        "of two options as likely, one worth e^r = 3 times the other, the better has this much after a round of pairs",
        Said(0.625),
        lambda: float(ends(ferbach.scenario(2, rewards=[0.0, math.log(3)], data=[0.5, 0.5], rounds=1))[1]),
        _run("ferbach", k=2, rewards="[0,1.0986122887]", data="[.5,.5]", rounds=1),
    ),
    Claim(
        "2407.09499",
        "a mixture of Gaussians far apart goes the way of the symbols: weight of the favourite after 2 rounds",
        Said(0.6360876612),
        _mixture,
        _run("ferbach", mixture="true", rounds=2) + " --replicates 40",
    ),
    Claim(
        "2407.09499",
        "with a curated share s < 1/K no symbol exceeds p_data (1-s)/(1-Ks): the largest part of that in 200 rounds",
        Said(1.0, "at most"),
        _bounded,
        _run("ferbach", share=0.2, rounds=200),
    ),
    Claim(
        "2505.09768",
        "the part of users who vote against a model's interest past which curation harms, options worth 1, 2, 3, 4",
        Said(25 / 54),
        _crossing,
        _run("adversarial", attackers=0.463, rounds=1),
    ),
    Claim(
        "2511.09002",
        "what .3 of the users get who like one half of the options better by 2",
        Said(0.2373929),
        _served,
        _run("heterogeneous", rounds=600),
    ),
    Claim(
        "2610.09415",
        "what users whose taste never moves leave to the favoured of ten classes",
        Said(0.5472279923),
        _favoured,
        _run("drifting", drift=0, lead=1),
    ),
    Claim(
        "2610.09415",
        "at a curated part of 2/3 the even state loses its stability: its spectral radius there",
        Said(1.0),
        lambda: _rate(2 / 3),
        _run("drifting", curated=0.6666666667, lead=0.01, rounds=1000),
    ),
    Claim(
        "2610.09415",
        "the curated part, to .001, from which a large lead locks in although the even state is stable",
        Said(0.427),
        _locks_in,
        _run("drifting", curated=0.427, drift=1, rounds=2000),
    ),
    Claim(
        "2610.09409",
        "on an undirected ring of four with weight 1 at most this part of the diversity of real data is left",
        Said(0.25),
        lambda: _diversity("ring"),
        _run("networked", graph="ring"),
    ),
    Claim(
        "2610.09409",
        "the same where all four read all",
        Said(0.1836734694),
        lambda: _diversity("complete"),
        _run("networked", graph="complete"),
    ),
    Claim(
        "2610.09409",
        "where only the middle one of three reads, and only the first, diversity rises by",
        Said(13 / 12),
        _raised,
        _run("networked", graph="one"),
    ),
    Claim(
        "2605.20151",
        "how many collapse of five of whom two read nothing but each other, and two read these",
        Said(4.0),
        _collapsing,
        _run("collapse") + " --replicates 40",
    ),
    Claim(
        "2002.06673",
        "a learner whose world answers by -.9 settles at",
        Said(1 / 1.9),
        lambda: _settled(-0.9),
        _run("performative", effect=-0.9, rounds=400),
    ),
    Claim(
        "2510.16657",
        "a model on its own verified output alone ends at the verifier's centre, 1, whatever the radius (here 3)",
        Said(1.0),
        lambda: _verified(3.0),
        _run("verified", radius=3, rounds=1000),
    ),
    *(
        Claim(
            "2511.12804",
            "the owner, who curates first, alone decides what survives: mass of its favourite in the end, "
            + ("2 candidates" if k else "infinitely many"),
            Said(1.0),
            lambda k=k: _owners_mass(k),
            _run("alignment_game", k=k),
        )
        for k in (2, 0)
    ),
)


if __name__ == "__main__":
    main()
