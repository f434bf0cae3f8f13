"""Every argument of every other public part, one at a time; and the public names of which none is drawn, with why."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import ecosystem as eco
from ecosystem import curation, data, decisions, generators, influence, rewards, study
from tests.fuzzing import results
from tests.fuzzing.arguments import ring
from tests.fuzzing.decisions import GOOD, pair, said, seen


class Features(torch.nn.Linear):
    """A taste that can be learned."""


@cache
def words() -> Any:
    from ecosystem.generators.language import tiny_base

    return tiny_base(["a good text", "a bad text"])


def conditional() -> dict[str, Any]:
    return {"inputs": [0.5, 0.5], "learns": True}


def linked(make: Callable[..., Any]) -> Callable[..., Any]:
    """An intervention, where a scenario takes it."""
    return lambda **given: pair().at(1, make(**given))


def of_study(**given: Any) -> Any:
    return study.Study("s", pair, **given)


def added(**given: Any) -> None:
    """A member, where a scenario takes it: real data and what is asked are read for its generator."""
    eco.Scenario("one", rounds=1).add("a", eco.Member(**given))


PICTURES = torch.zeros(2, 3, 4, 4)
PLAN = {"training_plan": eco.Training(1, 4), "seed": 0, "device": "cpu"}
OTHERS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    # -- curators and users --------------------------------------------------------------------------------------------
    "BestOf": (eco.BestOf, {"k": 2}),
    "Luce": (eco.Luce, {"k": 2, "temperature": 1.0}),
    "TopFraction": (eco.TopFraction, {"fraction": 0.5}),
    "Tilt": (eco.Tilt, {"temperature": 1.0}),
    "Shift": (eco.Shift, {"vector": [1.0]}),
    "Crowd": (
        eco.Crowd,
        {"curators": [eco.Luce(2)], "rewards": [eco.Linear([1.0])], "weights": [1.0], "opposite": [False]},
    ),
    "Drift": (eco.Drift, {"beta": 0.1}),
    "Habit": (eco.Habit, {"function": lambda w, seen: w}),
    "learned": (
        lambda comparisons, **given: eco.learned(said() if comparisons is GOOD else comparisons, **given),
        {"comparisons": GOOD, "form": eco.Tabular([0.0, 0.0, 0.0]), "ridge": 0.1},
    ),
    "Comparisons": (
        eco.Comparisons,
        {"table": pd.DataFrame([(0, 1, 0)], columns=["first", "second", "preferred"]), "items": 3},
    ),
    "luce_survivors": (curation.luce_survivors, {"p": torch.ones(2) / 2, "rewards": torch.zeros(2), "k": 2}),
    # -- rewards -------------------------------------------------------------------------------------------------------
    "Distance": (eco.Distance, {"target": [0.0, 1.0], "weight": 1.0}),
    "HueBand": (eco.HueBand, {"low": 0.1, "high": 0.2, "power": 1.0}),
    "Linear": (eco.Linear, {"direction": [1.0, 0.0]}),
    "Neural": (eco.Neural, {"module": Features(2, 1)}),
    "OfInput": (eco.OfInput, {"values": [0.0, 1.0]}),
    "OfPairs": (eco.OfPairs, {"function": lambda inputs, outputs: outputs}),
    "Preference": (eco.Preference, {"weights": [1.0, 0.0], "features": [[1.0, 0.0], [0.0, 1.0]]}),
    "Quadratic": (eco.Quadratic, {"direction": [1.0, 0.0], "curvature": 0.1}),
    "Realism": (eco.Realism, {"means": [0.5, 0.5, 0.5], "deviations": [0.1, 0.1, 0.1]}),
    "Tabular": (eco.Tabular, {"values": [0.0, 1.0]}),
    "TextReward": (
        eco.TextReward,
        {"function": lambda prompt, answer: 1.0, "texts": lambda x: None, "clip": (0.0, 1.0), "batch": None},
    ),
    "WeightedSum": (eco.WeightedSum, {"rewards": [eco.Linear([1.0]), eco.Linear([0.0])], "weights": [1.0, 0.5]}),
    "Custom": (rewards.Custom, {"function": lambda x: x.sum(-1)}),
    "as_reward": (rewards.as_reward, {"reward": lambda x: x.sum(-1)}),
    "negated": (rewards.negated, {"reward": eco.Linear([1.0])}),
    "warm": (rewards.warm, {"data": PICTURES, "weights": (2.0, 0.3)}),
    "cool": (rewards.cool, {"data": PICTURES, "weights": (2.0, 0.3)}),
    "hue_saturation": (rewards.hue_saturation, {"images": torch.zeros(2, 3, 4, 4)}),
    "paraphrase_reward": (rewards.paraphrase_reward, {"source": "a good text", "paraphrase": "a text"}),
    "summary_reward": (rewards.summary_reward, {"document": "a good text", "summary": "a text"}),
    # -- generators ----------------------------------------------------------------------------------------------------
    "Asking": (eco.Asking, {"dimension": 2}),
    "Categorical": (eco.Categorical, {"probabilities": [0.5, 0.5]}),
    "ConditionalCategorical": (eco.ConditionalCategorical, conditional() | {"outputs": [[1.0, 0.0], [0.2, 0.8]]}),
    "ConditionalGaussian": (
        eco.ConditionalGaussian,
        conditional() | {"means": [[0.0], [1.0]], "covariances": [[[1.0]], [[2.0]]], "floor": 1e-9},
    ),
    "Empirical": (generators.Empirical, {"data": torch.tensor([0, 1]), "symbols": 2}),
    "FlowMatching": (
        eco.FlowMatching,
        {"dimension": 2, "hidden": 4, "depth": 1, "steps": 2, "training_plan": eco.Training(1, 4), "seed": 0},
    ),
    "Gaussian": (eco.Gaussian, {"mean": [0.0, 0.0], "covariance": np.eye(2), "floor": 1e-9}),
    "GaussianMixture": (
        eco.GaussianMixture,
        {"weights": [0.5, 0.5], "means": [[0.0], [1.0]], "covariances": [[[1.0]], [[1.0]]], "floor": 1e-9}
        | {"event_shape": None},
    ),
    "ImageFlow": (
        eco.ImageFlow,
        {"shape": (1, 2, 2), "classes": 2, "hidden": 4, "depth": 1, "steps": 2, "sampling_batch": 4} | PLAN,
    ),
    "Diffusion": (
        eco.Diffusion,
        {"shape": (1, 8, 8), "classes": 2, "channels": (32,), "layers_per_block": 1, "timesteps": 10}
        | {"sampling_steps": 2, "precision": None, "sampling_batch": 4}
        | PLAN,
    ),
    "LanguageModel": (
        lambda base, **given: eco.LanguageModel(words() if base is GOOD else base, **given),
        {"base": GOOD, "prompt_length": 16, "answer_length": 16, "rank": 2, "alpha": 4.0, "dropout": 0.0}
        | {"target_modules": None, "temperature": 1.0, "top_p": 1.0, "sampling_batch": 4, "precision": None}
        | {"replacement": False}
        | PLAN,
    ),
    "HoldThenDecay": (eco.HoldThenDecay, {"hold": 1, "factor": 0.9, "keep_weight_decay": False}),
    "WarmUpCosine": (eco.WarmUpCosine, {"warm_up": 0.1}),
    "Location": (eco.Location, {"mean": [0.0], "scale": 1.0}),
    "Ridge": (eco.Ridge, {"weights": [1.0, 0.0], "scale": 1.0, "penalty": 0.1, "inputs": np.eye(2)}),
    "Training": (
        eco.Training,
        {"steps": 1, "batch_size": 4, "optimizer": torch.optim.Adam, "decay": None, "keep_optimizer": False}
        | {"precision": None, "schedule": None, "clip": None, "stacked": False},
    ),
    # -- flows, members, scenarios -------------------------------------------------------------------------------------
    "LinearMap": (eco.LinearMap, {"matrix": np.eye(2), "offset": [0.0, 1.0]}),
    "Flow": (eco.Flow, {"raw": 0.1, "curated": 0.1, "chosen_by": "producer", "transform": None, "delay": 0}),
    "Member": (
        added,
        {"generator": eco.Location([0.0]), "reward": eco.Linear([1.0]), "curator": eco.Luce(2), "real": [[0.0]]}
        | {"schedule": eco.every(1), "retention": eco.replace(), "agent": eco.ModelAgent, "asked": None}
        | {"learn": None, "demand": None},
    ),
    "Scenario": (eco.Scenario, {"name": "s", "rounds": 1, "samples": None, "ordering": eco.synchronous}),
    "shares_of": (eco.shares_of, {"graph": ring(), "real": 0.1, "weight": "weight", "merge": None}),
    "true and false": (eco.Provenance, {"true_positive": 0.5, "false_positive": 0.1}),
    "Pairs": (
        lambda **given: eco.Member(eco.ImageFlow((1, 2, 2), 2), real=eco.Pairs(**given)),
        {"inputs": torch.tensor([0, 1]), "outputs": torch.zeros(2, 1, 2, 2), "batch": 1, "codec": None}
        | {"rejected": None},
    ),
    # -- time ----------------------------------------------------------------------------------------------------------
    "every": (eco.every, {"period": 1, "start": 0}),
    "at": (lambda rounds: eco.at(rounds), {"rounds": 1}),
    "poisson": (eco.poisson, {"rate": 1.0}),
    "sequential": (lambda names: eco.sequential(names, "b"), {"names": "a"}),
    "fade": (eco.fade, {"share": 0.5}),
    "refresh": (eco.refresh, {"share": 0.5}),
    "resample": (eco.resample, {"n": 4}),
    "subsample": (eco.subsample, {"n": 4}),
    "window": (eco.window, {"rounds": 2}),
    "settled": (eco.settled, {"tolerance": 1e-6, "rounds": 1}),
    "Connect": (linked(eco.Connect), {"u": "a", "v": "b"}),
    "Disconnect": (linked(eco.Disconnect), {"u": "a", "v": "b"}),
    "Curate": (linked(eco.Curate), {"subject": "a", "level": 0.1}),
    **{name: (linked(getattr(eco, name)), {"subject": "a"}) for name in ("Freeze", "Thaw", "Join", "Leave")},
    # -- what is kept, and where ---------------------------------------------------------------------------------------
    "Record": (
        eco.Record,
        {"every": 1, "last": None, "start": True, "draws": True, "tastes": True, "samples": 1, "sample_rounds": [0]}
        | {"judged": 4, "sources": True, "choices": True, "measures": (), "parameters": None, "same_noise": False},
    ),
    "Checkpoints": (eco.Checkpoints, {"folder": "checkpoints", "every": 1, "keep": 1}),
    "Ecosystem": (
        eco.Ecosystem,
        {"scenarios": pair(), "seeds": [0], "record": None, "build_samples": False, "live": None, "device": None}
        | {"dtype": None},
    ),
    "compare": (lambda runs: eco.compare(dict.fromkeys("ab", results.run()) if runs is GOOD else runs), {"runs": GOOD}),
    # -- analyses and studies ------------------------------------------------------------------------------------------
    "needs": (influence.needs, {"scenario": pair(), "sources": ["a"], "targets": ["b"], "of": None}),
    "posterior": (
        decisions.posterior,
        {"scenario": results.sampled(), "observed": seen(member=["b"] * 4), "noise": 0.1, "measures": ()}
        | {"free": [decisions.Share("a", "b", "raw")], "simulations": 100, "samples": 20, "seed": 0},
    ),
    "Study": (
        study.Study,
        {"name": "s", "build": pair, "grid": {"level": [0.1]}, "seeds": [0], "measure": ("rounds",)}
        | {"record": None, "block": 1, "block_seconds": 1.0, "device": None, "dtype": None},
    ),
    "Local": (study.Local, {"workers": 0, "retries": 0}),
    "Ray": (
        study.Ray,
        {"address": None, "num_cpus": 1, "num_gpus": 0, "workers": 1, "retries": 0, "runtime_env": {}, "node": False},
    ),
    "of_scenario": (study.of_scenario, {"function": lambda scenario: 1.0}),
    "painted": (data.painted, {name: torch.zeros(2, 4, 4) for name in ("hue", "saturation", "brightness")}),
    "read_pairs": (data.read_pairs, {"path": "pairs.jsonl", "source": "src", "target": "tgt", "limit": None}),
    "tinted_digits": (data.tinted_digits, {"copies": 1}),
}
# Public names of which no argument is drawn, and why.
EXEMPT = {
    "Curator": "a contract", "Learner": "a contract", "Intervention": "a contract", "Reward": "a contract",
    "GenerativeModel": "a contract", "ConditionalModel": "a contract", "ClosedForm": "a contract",
    "Lever": "a contract", "Switching": "a contract", "Engine": "a contract",
    "Seen": "what users of one's own are handed", "OfLaw": "what users of one's own are handed",
    "OfSamples": "what users of one's own are handed", "Slate": "what curators of one's own are handed",
    "Stream": "what parts of one's own are handed", "ModelAgent": "made by an ecosystem: tests.fuzzing.playing meddles",
    "BradleyTerry": "made by learned, which is drawn", "Features": "a name for annotations",
    "aligned": "of tensors alone, for rewards of one's own", "as_numbers": "what all parts check their numbers with",
    "NoPopulationLaw": "an error", "load_base": "reads a folder: tests.test_language_bases",
}  # fmt: skip
# Parts that are drawn alone, and stand in no scenario that is drawn.
ALONE = {
    **dict.fromkeys(("HueBand", "Realism", "ImageFlow", "Diffusion"), "images"),
    **dict.fromkeys(("TextReward", "LanguageModel"), "texts"),
    **dict.fromkeys(("OfPairs", "Pairs", "WarmUpCosine"), "of neural models of images and texts"),
    **dict.fromkeys(("Level", "Real", "Share", "Strength", "Taste", "Temperature", "Candidate"), "of decisions"),
    **dict.fromkeys(("Ensemble", "Observations"), "of decisions"),
    **dict.fromkeys(("Connect", "Disconnect"), "tests.fuzzing.playing's agents set flows"),
    **dict.fromkeys(("Flips", "Custom", "Empirical", "Checkpoints", "Run", "Pairs"), "what others are made into"),
}


# Where arguments of a part stand, beside those under its own name.
ELSEWHERE: dict[str, tuple[str, ...]] = {
    "influence": ("any scenario",), "stable_point": ("any scenario",), "stability": ("any scenario",),
    "certificates": ("any scenario",), "Provenance": ("true and false",), "measure_influence": ("any scenario",),
}  # fmt: skip


def public() -> Iterator[tuple[str, Any]]:
    """Every public name that a scenario may hold, that is run, or that looks at scenarios, once each."""
    packages = (eco, curation, data, generators, influence, rewards, study, decisions)
    yield from {name: getattr(package, name) for package in packages for name in package.__all__}.items()


def drawn() -> set[str]:
    """The names of the library that the drawing of whole scenarios takes, read out of its files."""
    here = Path(__file__).parent
    files = [here / f"{name}.py" for name in ("scenarios", "newer", "functions", "playing")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return names | {node.id for node in nodes if isinstance(node, ast.Name)}


def arguments(thing: Any) -> set[str]:
    """What is given to a class or function by name."""
    if not callable(thing):
        return set()
    every = signature(thing).parameters.values()
    return {p.name for p in every if p.kind not in (Parameter.VAR_KEYWORD,) and p.name not in ("self", "cls")}


def asked(tables: dict[str, Any], name: str) -> set[str]:
    """The arguments of a part that are drawn, wherever they stand."""
    return {argument for part in (name, *ELSEWHERE.get(name, ())) for argument in tables[part][1]}


def in_a_scenario(thing: Any) -> bool:
    """Whether it lies in a package of parts, and is a class to be made or a part as it is."""
    home = [*getattr(thing, "__module__", type(thing).__module__).split("."), ""]
    of_parts = home[1] in ("generators", "curation", "rewards", "schedules", "orderings", "retention", "transforms")
    interventions = home[-2] in ("interventions", "provenance", "descriptions")
    function = type(thing).__name__ == "function" and home[1] not in ("schedules", "orderings", "retention")
    return (of_parts or interventions) and not function
