"""Where a run began, by content: digests of start and real data, and how models are trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from ecosystem.core.identity import digest, label, made_of
from ecosystem.engine.diets import Change
from ecosystem.generators import GenerativeModel, Training
from ecosystem.scenario import Scenario
from ecosystem.scenario.blocks import Blocks, blocks_of

_KNOWN: WeakKeyDictionary[Scenario, dict[str, Any]] = WeakKeyDictionary()  # a scenario never changes
_LAYERS = set(vars(nn.Module()))  # what every module has: its weights are told apart
MANY = 10_000  # members, of whom more are told by the array
_FEW = 10_000  # numbers of a tensor that is stacked with others


def origin(scenario: Scenario) -> dict[str, Any]:
    """What ``run.settings`` say of a scenario's content, for who runs it again.

    ``digests`` are those of all models' weights at the start and of all real data (see
    :func:`ecosystem.core.identity.digest`; empty where there is none), ``training`` has a row for each plan by which
    models are trained, with the ``members`` that have it. ``tastes`` are digests of the users' reward and how they
    learn, by member, and under "" that of all who are not named: the words for a reward need not say all of it.
    """
    if scenario not in _KNOWN:
        blocks = blocks_of(scenario.graph)
        large = blocks is not None and blocks.families and len(blocks.names) > MANY
        _KNOWN[scenario] = _by_the_array(blocks) if blocks is not None and large else _one_by_one(scenario)
    return _KNOWN[scenario]


def given_tastes(changes: Iterable[Change], seeds: Sequence[tuple[int, int]], variant: int) -> dict[str, Any]:
    """What ``run.settings`` say of tastes that agents gave, at the end: by member and digest, to which replicates.

    They stand under ``tastes given``; empty where there is none.
    """
    last: dict[str, dict[tuple[int, int], str]] = {}
    for change in changes:
        if change.content:
            here = change.where[variant].expand(len(seeds)).tolist()
            new = {(seed, number): change.content for (seed, number), yes in zip(seeds, here, strict=True) if yes}
            last.setdefault(str(change.subject), {}).update(new)
    told: dict[str, dict[str, list[list[int]]]] = {}
    for member, kept in last.items():
        for pair, content in kept.items():
            told.setdefault(member, {}).setdefault(content, []).append(list(pair))
    return {"tastes given": told} if told else {}


def _one_by_one(scenario: Scenario) -> dict[str, Any]:
    members = {name: scenario.member(name) for name in scenario.names}
    models = {name: member.generator for name, member in members.items()}
    known = {name: member.real for name, member in members.items() if member.real is not None}
    if len(members) > MANY:
        start, real = (digest(many([([n], x, None) for n, x in items.items()])) for items in (models, known))
    else:
        start, real = digest(_content(models)), digest(_content(known))
    tastes = _tastes([([name], member) for name, member in members.items()])
    return {
        "digests": {"start": start, "real data": real if known else ""},
        "training": _plans(models),
        "tastes": tastes,
    }


def _by_the_array(blocks: Blocks) -> dict[str, Any]:
    """The same of families: block by block."""
    ones = [(block.names, block.member(0)) for block in blocks.members]
    real = [
        (b.names, one.real, b.real) for b, (_, one) in zip(blocks.members, ones, strict=True) if one.real is not None
    ]
    start = [(b.names, one.generator, b.generators) for b, (_, one) in zip(blocks.members, ones, strict=True)]
    digests = {"start": digest(many(start)), "real data": digest(many(real)) if real else ""}
    return {"digests": digests, "training": [], "tastes": _tastes(ones)}  # families in closed form have no plans


def _tastes(members: Sequence[tuple[Sequence[str], Any]]) -> dict[str, str]:
    """The digest of each taste, read once where members share it (it may be a large model), and told once.

    Members with their names: one description may stand for many.
    """
    read: dict[Any, str] = {}
    told, counts = [], Counter[str]()
    for names, member in members:
        if member.reward is not None:
            own = getattr(member.reward, "__dict__", None)  # a function that several are given is wrapped for each
            parts = (id(member.reward),) if not own else tuple((key, id(part)) for key, part in own.items())
            key = (type(member.reward), parts, id(member.learn))
            if key not in read:
                read[key] = digest((member.reward, member.learn))
            told.append((names, read[key]))
            counts[read[key]] += len(names)
    rest = counts.most_common(1)[0][0] if counts else ""
    others = {name: found for names, found in told if found != rest for name in names}
    return ({"": rest} if rest else {}) | others


def many(items: Sequence[tuple[Sequence[str], Any, Any]]) -> Any:
    """What very many things are, for a digest: names, the thing that stands for them, and a family of all of them.

    The same whether they come one by one (without a family) or by the array: kinds as they first come, whose kind each
    is, and for each kind all its numbers in one tensor.
    """
    names, kinds, which, numbers = [], {}, [], {}
    for mine, one, family in items:
        tensors: Any = {}
        if isinstance(one, nn.Module):
            own = {key: value for key, value in made_of(one).items() if key not in _LAYERS}
            tensors = one.state_dict()
            shapes = tuple((key, str(x.dtype), tuple(x.shape)) for key, x in tensors.items() if isinstance(x, Tensor))
            what = type(one), own, shapes
        else:
            what = one
        number = kinds.setdefault(digest(what), len(kinds))
        names += mine
        which.append(np.full(len(mine), number))
        for key, x in tensors.items():
            whole = x.cpu().expand(len(mine), *x.shape) if family is None else family.tensors()[key].cpu()
            numbers.setdefault((number, key), []).append(whole)
    return (
        "\n".join(names),
        list(kinds),
        np.concatenate(which),
        {place: torch.cat(parts) for place, parts in numbers.items()},
    )


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
