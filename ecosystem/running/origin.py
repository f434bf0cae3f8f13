"""Where a run began, by content: digests of start and real data, and how models are trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ecosystem.core.identity import digest, label, made_of
from ecosystem.generators import GenerativeModel, Training
from ecosystem.scenario import Scenario

_KNOWN: WeakKeyDictionary[Scenario, dict[str, Any]] = WeakKeyDictionary()  # a scenario never changes
_LAYERS = set(vars(nn.Module()))  # what every module has: its weights are told apart
_FEW = 10_000  # numbers of a tensor that is stacked with others


def origin(scenario: Scenario) -> dict[str, Any]:
    """What ``run.settings`` say of a scenario's content, for who runs it again.

    ``digests`` are those of all models' weights at the start and of all real data (see
    :func:`ecosystem.core.identity.digest`; empty where there is none), ``training`` has a row for each plan by which
    models are trained, with the ``members`` that have it. ``tastes`` are digests of the users' reward and how they
    learn, by member, and under "" that of all who are not named: the words for a reward need not say all of it.
    """
    if scenario not in _KNOWN:
        members = {name: scenario.member(name) for name in scenario.names}
        models = {name: member.generator for name, member in members.items()}
        real = {name: member.real for name, member in members.items()}
        known = {name: data for name, data in real.items() if data is not None}
        digests = {"start": digest(_content(models)), "real data": digest(_content(known)) if known else ""}
        _KNOWN[scenario] = {"digests": digests, "training": _plans(models), "tastes": _tastes(members)}
    return _KNOWN[scenario]


def _tastes(members: Mapping[str, Any]) -> dict[str, str]:
    """The digest of each taste, read once where members share it (it may be a large model), and told once."""
    read: dict[Any, str] = {}
    told = {}
    for name, member in members.items():
        if member.reward is not None:
            own = getattr(member.reward, "__dict__", None)  # a function that several are given is wrapped for each
            parts = (id(member.reward),) if not own else tuple((key, id(part)) for key, part in own.items())
            key = (type(member.reward), parts, id(member.learn))
            if key not in read:
                read[key] = digest((member.reward, member.learn))
            told[name] = read[key]
    shared = Counter(told.values()).most_common(1)
    rest = shared[0][0] if shared else ""
    return ({"": rest} if rest else {}) | {name: found for name, found in told.items() if found != rest}


def _content(items: Mapping[str, Any]) -> Any:
    """What things are, by name: of models family, settings and weights, small ones of one shape in one tensor."""
    told, stacks = {}, {}
    for name, item in items.items():
        if not isinstance(item, nn.Module):
            told[name] = item
            continue
        own = {key: value for key, value in made_of(item).items() if key not in _LAYERS}
        told[name] = type(item), own
        for key, x in item.state_dict().items():
            few = isinstance(x, Tensor) and x.numel() <= _FEW
            place = (key, str(x.dtype), tuple(x.shape)) if few else (key, name)
            stacks.setdefault(str(place), []).append((name, x.cpu() if isinstance(x, Tensor) else x))
    return told, {
        place: (tuple(name for name, _ in pairs), torch.stack([x for _, x in pairs]) if len(pairs) > 1 else pairs[0][1])
        for place, pairs in stacks.items()
    }


def _plans(models: Mapping[str, GenerativeModel]) -> list[dict[str, Any]]:
    """The plans of models that are trained on a loss; how a ``fit`` of one's own trains, its code says."""
    found: list[dict[str, Any]] = []
    for name, model in models.items():
        if type(model).fit is GenerativeModel.fit:
            row = _words(model.training_plan)
            same = next((one for one in found if {**one, "members": 0} == {**row, "members": 0}), None)
            if same is None:
                found.append({"members": [], **row})
            (found[-1] if same is None else same)["members"].append(name)
    return found


def _words(plan: Training) -> dict[str, Any]:
    """A plan in plain values, as JSON has them."""
    made = plan.optimizer
    whole = isinstance(made, partial) and not made.args
    name = getattr(made.func if whole else made, "__name__", "")
    settings = ", ".join(f"{key}={value}" for key, value in made.keywords.items()) if whole else ""
    return {
        "steps": plan.steps,
        "batch_size": plan.batch_size,
        "optimizer": f"{name}({settings})" if name else label(made),
        "decay": "none" if plan.decay is None else label(plan.decay),
        "keep_optimizer": plan.keep_optimizer,
        "precision": str(plan.precision or "").removeprefix("torch."),
    }
