"""What a checkpoint belongs to: the description of an ecosystem as JSON, and how two of them differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ecosystem.core.differences import differing
from ecosystem.core.identity import digest, is_library, label, made_of
from ecosystem.core.samples import Pairs
from ecosystem.core.stacking import Stackable
from ecosystem.generators import GenerativeModel
from ecosystem.generators.base import codec_of
from ecosystem.running.checkpoints.host import Host
from ecosystem.running.measures.named import name_of
from ecosystem.running.origin import MANY, many
from ecosystem.running.variants import versions
from ecosystem.scenario import Scenario
from ecosystem.scenario.blocks import blocks_of, first_of_each
from ecosystem.scenario.descriptions import Flow, Member
from ecosystem.scenario.network import flows_of_all, standing_for_all

_LETTERS = 240  # of a setting that are written out
_TRAINED = {*vars(nn.Module()), "prompts", "retrainings", "optimizer_state"}  # what training may change


def description(eco: Host) -> dict[str, Any]:
    """What must be the same when a run goes on, but for ``rounds``, which may grow, and ``made with``.

    Names, shares and settings are told as they are, anything else (data, rewards, curators, transforms, schedules,
    orderings, code of the user's own) in words with a digest of its content, which is what studies go by. Of generators
    family, code, shapes and settings count, and the weights that the run starts with.
    """
    told = _Told()
    record = vars(eco.recorder.record)
    measures = {name_of(measure): told(measure) for measure in record["measures"]}
    chosen = None if record["sample_rounds"] is None else [int(r) for r in record["sample_rounds"]]
    whole = {
        "rounds": eco.rounds,
        "seeds": eco.seeds,
        "record": {name: told(value) for name, value in {**record, "sample_rounds": chosen}.items()}
        | {"measures": measures},
        "build_samples": eco.program.build_samples,
        **eco.program.home.told(),
        "default type": str(torch.get_default_dtype()),
        "scenario": [_scenario(scenario, told) for scenario in eco.scenarios],
        "made with": {**versions(), "torch threads": str(torch.get_num_threads())},
    }
    return json.loads(json.dumps(whole))  # as it comes back from a file


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs and may not, place by place."""
    loose = {"rounds": 0, "made with": 0}
    return _differing({**before, **loose}, {**now, **loose})


def other_versions(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The libraries that have changed."""
    return _differing(before["made with"], now["made with"])


def _differing(before: Any, now: Any) -> list[str]:
    return [f"{' '.join(place)}: {change}" for place, change in differing(before, now)]


def known_objects(scenarios: list[Scenario]) -> dict[str, Any]:
    """The descriptions and functions that a scenario holds by name: agents may choose among them while it runs."""
    found: dict[str, Any] = {}

    def add(place: str, item: Any) -> None:
        if isinstance(item, tuple):
            for i, part in enumerate(item):
                add(f"{place}.{i}", part)
        elif isinstance(item, Stackable):
            found[place] = item
            for name, value in made_of(item).items():
                add(f"{place}.{name}", value)
        elif callable(item):
            found[place] = item

    for v, scenario in enumerate(scenarios):
        for name, member, _ in standing_for_all(scenario):
            for what in ("reward", "curator", "schedule"):
                add(f"{v}: {what} of {name}", getattr(member, what))
            if (codec := codec_of(member.generator)) is not None:
                found[f"{v}: codec of {name}"] = codec
        for u, v_, flow in flows_of_all(scenario):
            add(f"{v}: users of {u} → {v_}", flow.chosen_by)
    return found


def _scenario(scenario: Scenario, told: _Told) -> dict[str, Any]:
    return {
        "name": scenario.name,
        "samples": scenario.samples,
        "ordering": told(scenario.ordering),
        "interventions": {str(round): [told(one) for one in many] for round, many in scenario.interventions.items()},
        **(_many(scenario, told) if len(scenario.names) > MANY else _each(scenario, told)),
    }


def _each(scenario: Scenario, told: _Told) -> dict[str, Any]:
    return {
        "members": {name: _member(scenario.member(name), told) for name in scenario.names},
        "flows": {f"{u} → {v}": _parts(flow, told) for u, v, flow in scenario.graph.edges(data="flow")},
    }


def _many(scenario: Scenario, told: _Told) -> dict[str, Any]:
    """Of very many members and flows the kinds in words, and digests of whose they are and of all numbers.

    The same whether they stand in blocks, or somebody has read the graph and they are told one by one.
    """
    blocks, kinds, which = blocks_of(scenario.graph), {}, []
    start, real = [], []
    if blocks is not None and blocks.families:
        units = [(b.names, b.member(0), b.generators, b.real) for b in blocks.members]
    else:
        units = [([name], scenario.member(name), None, None) for name in scenario.names]
    for names, member, generators, data in units:
        parts = {name: told(value) for name, value in made_of(member).items() if name not in ("generator", "real")}
        which.append(np.full(len(names), kinds.setdefault(json.dumps(parts), len(kinds))))
        start.append((names, member.generator, generators))
        if member.real is not None:
            real.append((names, member.real, data))
    numbers = {"who": np.concatenate(which), "generator": many(start), "real": many(real) if real else None}
    flows, source, target, shares = _flows(scenario, told)
    order = np.lexsort((target, source))
    told_flows = [flows[0], *(x[order] for x in (flows[1], source, target, *shares))]
    return {
        "members": {"kinds": list(kinds), **{name: f"#{digest(x)[:8]}" for name, x in numbers.items()}},
        "flows": {"kinds": told_flows[0], "all": f"#{digest(told_flows[1:])[:8]}"},
    }


def _flows(scenario: Scenario, told: _Told) -> tuple[Any, ...]:
    """Kinds of flows in words and whose each is, places of sources and targets, and shares."""
    blocks = blocks_of(scenario.graph)
    kinds: dict[str, int] = {}

    def kind(flow: Flow) -> int:
        parts = {name: told(value) for name, value in made_of(flow).items() if name not in ("raw", "curated")}
        return kinds.setdefault(json.dumps(parts), len(kinds))

    if blocks is not None:
        order = np.argsort(blocks.table.ends[0], kind="stable")  # as a graph goes through its edges
        source, target, block = blocks.table.ends[:3, order].astype(np.int64)
        _, first = first_of_each(block)
        codes = np.zeros(len(blocks.table.flows), dtype=np.int64)
        for at in sorted(first.tolist()):
            codes[block[at]] = kind(blocks.table.flows[block[at]].one)
        which, shares = codes[block], [share[order] for share in blocks.table.shares]
    else:
        place = {name: i for i, name in enumerate(scenario.names)}
        found = list(scenario.graph.edges(data="flow"))
        ends = np.array([(place[u], place[v]) for u, v, _ in found], dtype=np.int64).reshape(-1, 2)
        source, target, which = *ends.T, np.array([kind(flow) for _, _, flow in found], dtype=np.int64)
        shares = [np.array([getattr(flow, name) for _, _, flow in found]) for name in ("raw", "curated")]
    return [list(kinds), which], source, target, shares


def _member(member: Member, told: _Told) -> dict[str, Any]:
    return {**_parts(member, told), "generator": _generator(member.generator, told)}


def _parts(item: Member | Flow, told: _Told) -> dict[str, Any]:
    return {name: told(value) for name, value in made_of(item).items() if name != "generator"}


def _generator(model: GenerativeModel, told: _Told) -> dict[str, Any]:
    """Family, shapes and settings; of what training changes, how it is at the start."""
    shapes = {f"{name} shape": _kind(x) for name, x in model.state_dict().items() if isinstance(x, Tensor)}
    own = {name: told(value) for name, value in made_of(model).items() if name not in _TRAINED}
    layers = nn.Module.__repr__(model)  # a family's own may show parameters
    start = {name: x.cpu() if isinstance(x, Tensor) else x for name, x in model.state_dict().items()}
    about = {"family": told(type(model)), "layers": told(layers), "device": str(model.device), **shapes, **own}
    return about | {"start": f"#{digest(start)[:8]}"}


class _Told:
    """Parts of a description in words, with a digest where words do not say all; the same object is told once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}  # the object is kept, so that its id stays its own

    def __call__(self, item: Any) -> Any:
        if id(item) not in self._known:
            self._known[id(item)] = item, self._tell(item)
        return self._known[id(item)][1]

    def _tell(self, item: Any) -> Any:
        if item is None or isinstance(item, bool | int):
            return item
        if isinstance(item, Pairs):
            return f"pairs: {self._tell(item.inputs)}, {self._tell(item.outputs)}"
        if isinstance(item, type) and is_library(item.__module__):
            return item.__qualname__
        if isinstance(item, Tensor | np.ndarray):
            return f"{_kind(item)} #{digest(item)[:8]}"
        if isinstance(item, str):
            return item if len(item) <= _LETTERS else f"{item[:_LETTERS].strip()}… #{digest(item)[:8]}"
        return label(item, _LETTERS, 8)


def _kind(numbers: Tensor | np.ndarray) -> str:
    return f"{str(numbers.dtype).removeprefix('torch.')} {list(numbers.shape)}"
