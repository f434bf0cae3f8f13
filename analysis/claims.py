"""Claims of the literature with a number in them, and how each is played on the scenarios."""

import math
from typing import Any

import numpy as np
import torch

from analysis.claiming import Claim, Said
from ecosystem import Ecosystem, Record, Run, Scenario, attack, every
from ecosystem.influence import certificates, stability, stable_point
from ecosystem.running.measures import survivors
from scenarios import (
    accumulate,
    adversarial,
    alignment_game,
    collapse,
    commons,
    corpus,
    drifting,
    ferbach,
    heterogeneous,
    market,
    networked,
    performative,
    poisoned,
    text_image,
    verified,
)


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


def _settled(effect: float, **settings: Any) -> float:
    return float(performative.scenario(effect=effect, rounds=400, **settings).run().parameters["learner 0"]["mean"])


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


def _labels(keep: bool, fresh: bool) -> np.ndarray:
    """The squared error of a regression's weights after five rounds; with fixed rows over as many designs."""
    if fresh:
        run = accumulate.scenario(keep=keep).run(replicates=4000)
        return (run.parameters["model"]["weights"] - accumulate.truth(5)).square().sum(-1).numpy()
    variants = [accumulate.scenario(keep=keep, fresh=False, design=design) for design in range(300)]
    eco = Ecosystem(variants, seeds=range(40))
    eco.run()
    return np.array([_error(variant, eco.result(i)) for i, variant in enumerate(variants)])


def _error(scenario: Scenario, run: Run) -> float:
    """The squared error of the weights that expected labels stand for, over replicates."""
    taste = scenario.member("model").reward
    found = run.parameters["model"]["mean"] @ taste.matrix.T - taste.target
    return float(found.square().sum(-1).mean())


def _taken() -> np.ndarray:
    """Whether a variant has the whole corpus in the end."""
    run = corpus.scenario(regenerated=1.0).run(replicates=1000)
    return (probabilities(run, "model")[:, 0] > 1 - 1e-9).double().numpy()


def _captions() -> np.ndarray:
    """``1 − Σp²`` after 20 rounds of frozen images."""
    p = probabilities(text_image.scenario(frozen="image").run(replicates=400), "text")
    return (1 - p.square().sum(-1)).numpy()


def _images() -> np.ndarray:
    """What is left of the variance of one caption's images after 8 rounds of 12."""
    s = text_image.scenario(frozen="text", captions=1, asked=0.0, samples=12, rounds=8)
    covariance = s.run(replicates=3000).parameters["image"]["covariances"][:, 0]
    return (covariance.diagonal(dim1=-2, dim2=-1).sum(-1) / 2).numpy()


def _harm(by: str) -> float:
    """What six flipped labels take of the reader's alignment."""
    s = poisoned.network()
    return attack(s, poisoned.said(), "platform", "reader", budget=6, by=by, rounds=s.rounds).harm


def _kept() -> float:
    """The synthetic part of what a filtered web keeps, four tenths of what it is shown being people's."""
    s = commons.scenario(human=0.4, true_positive=0.9)
    return sum(s.flow(writer, "web").raw for writer in commons.TASTES)


def _replicated() -> float:
    """The largest difference to ``w_j E_j[e^r]/Σ`` of whose what a model gets is, of all that users choose."""
    s = commons.scenario(k=0)
    run = s.run(record=Record(measures=[survivors], parameters=every(1)))
    laws = {name: found[s.rounds - 1]["probabilities"][0] for name, found in run.history.items() if name != "web"}
    laws["real"], found = torch.tensor(commons.HUMAN, dtype=torch.float64), 0.0
    weights = {name: s.flow(name, "web").raw for name in commons.TASTES}
    weights["real"] = 1 - sum(weights.values())
    table = run.survivors.query("round == @s.rounds and curated").set_index(["target", "producer"])["share"]
    for name, taste in commons.TASTES.items():
        odds = {
            one: weights[one] * float((law * torch.tensor(taste, dtype=law.dtype).exp()).sum())
            for one, law in laws.items()
        }
        found = max(found, *(abs(table[name, one] - odds[one] / sum(odds.values())) for one in odds))
    return found


def _risk() -> float:
    """The total risk of two groups in the end."""
    run = market.scenario(rounds=3).run(record=Record(tastes=True, last=1))
    return float(-market.served(run).iloc[-1].mean())


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
        "2201.03398",
        "four such learners who share half of their effects settle at the same point",
        Said(1 / 1.9),
        lambda: _settled(-0.9, others=3, shared=0.5),
        _run("performative", effect=-0.9, others=3, shared=0.5, rounds=400),
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
    Claim(
        "2404.01413",
        "a regression on 20 of its own labels, of 5 inputs: squared error of the weights after 5 rounds, data replaced",
        Said(5 * 5 / 14),
        lambda: _labels(keep=False, fresh=True),
        _run("accumulate", keep="false") + " --replicates 4000",
    ),
    Claim(
        "2404.01413",
        "the same where data accumulate, fresh rows every round",
        Said(sum(5 / (i * (20 * i - 6)) for i in range(1, 6))),
        lambda: _labels(keep=True, fresh=True),
        _run("accumulate") + " --replicates 4000",
    ),
    Claim(
        "2404.01413",
        "the same where labels of the same rows accumulate, over 300 designs",
        Said(5 / 14 * sum(1 / i**2 for i in range(1, 6))),
        lambda: _labels(keep=True, fresh=False),
        _run("accumulate", fresh="false", design=3) + " --replicates 40",
    ),
    Claim(
        "2604.08554",
        "a variant with 2 of a corpus's 8 tokens takes all of it in the end with this probability",
        Said(0.25),
        _taken,
        _run("corpus", regenerated=1) + " --replicates 1000",
    ),
    Claim(
        "2503.08117",
        "with a frozen image model the diversity of captions, 4/7 at first, is after 20 rounds of 200 draws",
        Said(4 / 7 * (1 - 1 / 200) ** 20),
        _captions,
        _run("text_image", frozen="image") + " --replicates 400",
    ),
    Claim(
        "2503.08117",
        "with a frozen text model the variance of a caption's images, 1 at first, is after 8 rounds of 12 images",
        Said((1 - 1 / 12) ** 8),
        _images,
        _run("text_image", frozen="text", captions=1, asked=0, samples=12, rounds=8) + " --replicates 3000",
    ),
    Claim(
        "2505.09768",
        "six of 60 labels flipped by influence do at least the harm of random, surest or highest ones: the most of "
        "these less its own",
        Said(0.0, "at most"),
        lambda: max(map(_harm, ("random", "gap", "highest"))) - _harm("influence"),
        _run("poisoned", by="gap"),
    ),
    Claim(
        "2206.02667",
        "two models and two groups of users who go to whoever serves them better: the total risk ends at",
        Said(0.0),
        _risk,
        _run("market"),
    ),
    Claim(
        "",
        "of infinitely many candidates of an archive a writer has the part w_j E_j[e^r] / sum; distance in round 60",
        Said(0.0),
        _replicated,
        _run("commons", k=0),
    ),
    Claim(
        "",
        "of a diet .6 synthetic a detector that is right in .9 and wrong in .05 leaves this part synthetic",
        Said(0.06 / (0.06 + 0.38)),
        _kept,
        _run("commons", human=0.4, true_positive=0.9),
    ),
)
