"""How each claim of the literature is played on the scenarios: a function for the number of each."""

from typing import Any

import numpy as np
import torch

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


def tilted() -> float:
    """The largest difference to ``p_0 e^{t r}``, normalised, after five rounds."""
    p, r = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64), torch.arange(3).double()
    return float((ends(ferbach.scenario(k=0, rounds=5)) - torch.softmax(p.log() + 5 * r, 0)).abs().max())


def mixture() -> np.ndarray:
    """What the favourite component weighs after two rounds, by replicate."""
    run = ferbach.scenario(mixture=True, rounds=2).run(replicates=40)
    return run.parameters["model"]["weights"][:, 2].numpy()


def crossing() -> float:
    """The part of attackers at which the first round leaves the expected ``e^r`` as it is, from two others."""
    odds = torch.arange(1, 5).double()
    low, high = (
        float(ends(adversarial.scenario(attackers=part, rounds=1)) @ odds) - 2.5 for part in (0.0, 1.0)
    )  # linear in the part
    return low / (low - high)


def locks_in() -> float:
    """The smallest curated part, of steps of .001, at which a lead of .99 is kept."""
    parts = np.arange(0.420, 0.435, 0.001)
    eco = Ecosystem([drifting.scenario(curated=part, drift=1.0, rounds=2000) for part in parts])
    eco.run()
    kept = [float(probabilities(eco.result(variant), "model")[0, 0]) > 0.2 for variant in range(len(parts))]
    return float(parts[kept.index(True)])


def diversity(graph: str) -> float:
    """The most that the graph lets members differ, against their real data."""
    found = certificates(networked.scenario(graph=graph)).diversity
    return found.bound / found.real


def raised() -> float:
    found = certificates(networked.scenario(graph="one")).diversity
    return found.exact / found.real


def settled(effect: float, **settings: Any) -> float:
    return float(performative.scenario(effect=effect, rounds=400, **settings).run().parameters["learner 0"]["mean"])


def collapsing() -> float:
    return float(certificates(collapse.scenario()).members["collapses"].sum())


def owners_mass(k: int) -> float:
    """What is left in the end of what the owner likes best."""
    return float(ends(alignment_game.scenario(k=k))[0])


def drift_rate(part: float) -> float:
    return stability(drifting.scenario(curated=part, lead=0.0)).radius


def verified_end(radius: float) -> float:
    return float(stable_point(verified.scenario(radius=radius)).parameters["model"])


def favoured() -> float:
    return float(ends(drifting.scenario(drift=0.0, lead=1.0))[0])


def served() -> float:
    return float(ends(heterogeneous.scenario(rounds=600))[:2].sum())


def bounded() -> float:
    """The largest ratio to the bound, of all symbols over 200 rounds."""
    s, data = ferbach.scenario(share=0.2, rounds=200), torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    kept = s.run(record=Record(parameters=every(1))).history["model"].values()
    return float(torch.stack([law["probabilities"][0] / data for law in kept]).max() / (0.8 / (1 - 4 * 0.2)))


def labels(keep: bool, fresh: bool) -> np.ndarray:
    """The squared error of a regression's weights after five rounds; with fixed rows over as many designs."""
    if fresh:
        run = accumulate.scenario(keep=keep).run(replicates=4000)
        return (run.parameters["model"]["weights"] - accumulate.truth(5)).square().sum(-1).numpy()
    variants = [accumulate.scenario(keep=keep, fresh=False, design=design) for design in range(300)]
    eco = Ecosystem(variants, seeds=range(40))
    eco.run()
    return np.array([model_error(variant, eco.result(i)) for i, variant in enumerate(variants)])


def model_error(scenario: Scenario, run: Run) -> float:
    """The squared error of the weights that expected labels stand for, over replicates."""
    taste = scenario.member("model").reward
    found = run.parameters["model"]["mean"] @ taste.matrix.T - taste.target
    return float(found.square().sum(-1).mean())


def taken() -> np.ndarray:
    """Whether a variant has the whole corpus in the end."""
    run = corpus.scenario(regenerated=1.0).run(replicates=1000)
    return (probabilities(run, "model")[:, 0] > 1 - 1e-9).double().numpy()


def captions() -> np.ndarray:
    """``1 − Σp²`` after 20 rounds of frozen images."""
    p = probabilities(text_image.scenario(frozen="image").run(replicates=400), "text")
    return (1 - p.square().sum(-1)).numpy()


def images() -> np.ndarray:
    """What is left of the variance of one caption's images after 8 rounds of 12."""
    s = text_image.scenario(frozen="text", captions=1, asked=0.0, samples=12, rounds=8)
    covariance = s.run(replicates=3000).parameters["image"]["covariances"][:, 0]
    return (covariance.diagonal(dim1=-2, dim2=-1).sum(-1) / 2).numpy()


def harm(by: str) -> float:
    """What six flipped labels take of the reader's alignment."""
    s = poisoned.network()
    return attack(s, poisoned.said(), "platform", "reader", budget=6, by=by, rounds=s.rounds).harm


def kept() -> float:
    """The synthetic part of what a filtered web keeps, four tenths of what it is shown being people's."""
    s = commons.scenario(human=0.4, true_positive=0.9)
    return sum(s.flow(writer, "web").raw for writer in commons.TASTES)


def replicated() -> float:
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


def risk() -> float:
    """The total risk of two groups in the end."""
    run = market.scenario(rounds=3).run(record=Record(tastes=True, last=1))
    return float(-market.served(run).iloc[-1].mean())
