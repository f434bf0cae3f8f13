"""What a checkpoint belongs to: the description of an ecosystem as JSON, and how two of them differ."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ecosystem.core.content import digest, is_library
from ecosystem.core.samples import Pairs
from ecosystem.core.stacking import Stackable
from ecosystem.curation import Users
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.running.checkpoints.codec import made_of
from ecosystem.running.variants import versions
from ecosystem.scenario import Scenario
from ecosystem.scenario.descriptions import Flow, Member

if TYPE_CHECKING:
    from ecosystem.running.ecosystem import Ecosystem

_LONG = 240  # characters of a setting that are written out


def description(eco: Ecosystem) -> dict[str, Any]:
    """What must be the same when a run goes on, but for ``rounds``, which may grow, and ``made with``.

    Names, shares and settings are told as they are, the numbers of data, rewards, curators, transforms and schedules
    as digests, and the code of functions and classes of the user's own. Parameters are in the checkpoint: of generators
    only family, code and shapes count.
    """
    told = _Told()
    record = vars(eco.recorder.record)
    chosen = None if record["sample_rounds"] is None else [int(r) for r in record["sample_rounds"]]
    whole = {
        "rounds": eco.rounds,
        "seeds": eco.seeds,
        "record": {**record, "sample_rounds": chosen},
        "build_samples": eco.program.build_samples,
        "default type": str(torch.get_default_dtype()),
        "scenario": [_scenario(scenario, told) for scenario in eco.scenarios],
        "made with": {**versions(), "torch threads": str(torch.get_num_threads())},
    }
    return json.loads(json.dumps(whole))  # as it comes back from a file


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs and may not, place by place."""
    loose = {"rounds": 0, "made with": 0}
    return list(_differing("", {**before, **loose}, {**now, **loose}))


def other_versions(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The libraries that have changed."""
    return list(_differing("", before["made with"], now["made with"]))


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
        for name in scenario.names:
            member = scenario.member(name)
            for what in ("reward", "curator", "schedule"):
                add(f"{v}: {what} of {name}", getattr(member, what))
        for u, v_, flow in scenario.graph.edges(data="flow"):
            add(f"{v}: users of {u} → {v_}", flow.chosen_by)
    return found


def _scenario(scenario: Scenario, told: _Told) -> dict[str, Any]:
    interventions = {str(round): list(map(_text, many)) for round, many in sorted(scenario.interventions.items())}
    return {
        "name": scenario.name,
        "samples": scenario.samples,
        "ordering": _text(scenario.ordering),
        "interventions": interventions,
        "members": {name: _member(scenario.member(name), told) for name in scenario.names},
        "flows": {f"{u} → {v}": _flow(flow, told) for u, v, flow in scenario.graph.edges(data="flow")},
    }


def _member(member: Member, told: _Told) -> dict[str, Any]:
    parts = {name: told(getattr(member, name)) for name in ("reward", "curator", "schedule", "real", "asked")}
    agent = None if member.agent is None else _coded(member.agent)
    return {"generator": _generator(member.generator), **parts, "retention": _text(member.retention), "agent": agent}


def _flow(flow: Flow, told: _Told) -> dict[str, Any]:
    chosen_by = told(flow.chosen_by) if isinstance(flow.chosen_by, Users) else flow.chosen_by
    shares = {"raw": flow.raw, "curated": flow.curated}
    return {**shares, "chosen_by": chosen_by, "transform": told(flow.transform), "delay": flow.delay}


def _generator(model: GenerativeModel) -> dict[str, Any]:
    """Family, shapes and settings."""
    closed = isinstance(model, ClosedForm)
    own = {name: getattr(model, name) for name in (model.SETTINGS if closed else vars(model)) if name[0] != "_"}
    own = {name: value for name, value in own.items() if name not in ("prompts", "retrainings", "optimizer_state")}
    shapes = {f"{name} shape": f"{_kind(x)} {list(x.shape)}" for name, x in _tensors(model).items()}
    settings = {name: _text(value) for name, value in own.items() if not isinstance(value, Tensor | nn.Module)}
    made = {} if closed else {"layers": _text(model)}
    return {"family": _coded(type(model)), "device": str(model.device), **made, **shapes, **settings}


class _Told:
    """Descriptions in words, with a digest of their numbers; the same object is told once."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, str | None]] = {}  # the object is kept, so that its id stays its own

    def __call__(self, item: Any) -> str | None:
        if id(item) not in self._known:
            self._known[id(item)] = item, self._tell(item)
        return self._known[id(item)][1]

    def _tell(self, item: Any) -> str | None:
        if item is None:
            return None
        if callable(item) and not isinstance(item, Stackable | nn.Module):
            return f"{getattr(item, '__qualname__', type(item).__qualname__)} #{_digest_of(_parts(item))}"
        if isinstance(item, Pairs):
            return f"pairs: {self._tell(item.inputs)}, {self._tell(item.outputs)}"
        if not isinstance(item, Stackable | nn.Module):
            tensor = torch.as_tensor(item)
            return f"{_kind(tensor)} {list(tensor.shape)} #{_digest([tensor])}"
        if isinstance(item, Stackable):
            return f"{_text(item)} #{_digest_of(_parts(item))}"
        tensors = _tensors(item)
        text = _coded(type(item))
        return f"{text} #{_digest(list(tensors.values()))}" if tensors else text


def _parts(item: Any) -> Any:
    """What a description is made of: numbers, code of functions, words; not what objects of others have worked out."""
    if isinstance(item, Tensor):
        return _digest([item])
    if isinstance(item, FunctionType | partial):
        return digest(item)
    if isinstance(item, Stackable):
        return [_coded(type(item)), *(_parts(value) for value in made_of(item).values())]
    if isinstance(item, tuple | list):
        return [_parts(part) for part in item]
    return _text(item)


def _digest_of(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]


def _coded(kind: type) -> str:
    """A class by its name, and by its code where it is the user's own."""
    return kind.__qualname__ if is_library(kind.__module__) else f"{kind.__qualname__} #{digest(kind)[:8]}"


def _tensors(item: Any) -> dict[str, Tensor]:
    return {name: x for name, x in item.state_dict().items() if isinstance(x, Tensor)}


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _digest(tensors: list[Tensor]) -> str:
    """Eight hexadecimal digits that stand for the numbers of tensors."""
    h = hashlib.sha256()
    for tensor in tensors:
        h.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
        h.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return h.hexdigest()[:8]


def _text(value: Any) -> str:
    """A value in words that are the same in every process; of long ones the beginning, and a digest."""
    text = str(sorted(value, key=str) if isinstance(value, set | frozenset) else value)
    text = re.sub(r" at 0x[0-9a-f]+", "", text)
    if len(text) <= _LONG:
        return text
    return f"{text[:_LONG].strip()}… #{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _differing(place: str, before: Any, now: Any) -> Iterator[str]:
    """The leaves in which two structures of dicts and lists differ."""
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now) == 1:
        yield from _differing(place, before[0], now[0])
    elif isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys((*before, *now)):
            yield from _differing(f"{place} {key}".strip(), before.get(key), now.get(key))
    elif before != now:
        yield f"{place}: {_short(before)} → {_short(now)}"


def _short(value: Any) -> str:
    text = "there" if isinstance(value, Mapping) else str(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"
