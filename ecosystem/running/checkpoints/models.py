"""The generators of an ecosystem, now and before, as plain values and back.

A looped model is what its ``state()`` gives, with the attributes that have changed since the scenario was built. One
that stands in several places (what a delayed flow reads is often what is there now) is written once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import nn

from ecosystem.core.identity import digest, made_of
from ecosystem.engine.cohorts import Cohort
from ecosystem.engine.looped import Looped, Stack
from ecosystem.generators import GenerativeModel
from ecosystem.running.checkpoints.codec import Reader, Unwritable, Writer

_TORCH = set(vars(nn.Module())) - {"training"}  # what torch keeps in every module
_GRAD = " requires grad"  # of a parameter, as an attribute of its module
_GONE = object()


def write_stacks(writer: Writer, past: Sequence[Sequence[Stack]], cohorts: Sequence[Cohort]) -> dict[str, Any]:
    """The stacks of all cohorts, ``past[age][cohort]``; sources of real data never change and are left out."""
    number: dict[int, int] = {}
    models: list[Any] = []

    def grid(c: int, stack: Looped) -> list[Any]:
        """The numbers of the models of a stack."""
        for cell in np.ndindex(*stack.models.shape):
            model: Any = stack.models[cell]
            if id(model) not in number:
                number[id(model)] = len(models)
                start: Any = cohorts[c].start.models[cell]  # type: ignore[union-attr]
                written = _write_model(writer, model, start, f"models/{len(models)}/{cohorts[c].names[cell[0]]}")
                models.append([c, list(cell), *written])
        return np.vectorize(lambda model: number[id(model)], otypes=[int])(stack.models).tolist()

    stacks: list[list[Any]] = []
    for age, then in enumerate(past):
        stacks.append([])
        for c, stack in enumerate(then):
            if not cohorts[c].ids:
                stacks[-1].append(None)
            elif isinstance(stack, Looped):
                stacks[-1].append(grid(c, stack))
            else:
                stacks[-1].append(writer.write(stack.tensors(), f"generators/{age}/{c}"))
    return {"stacks": stacks, "models": models}


def read_stacks(reader: Reader, given: dict[str, Any], cohorts: Sequence[Cohort]) -> list[list[Stack]]:
    """The stacks that were written, on the models of a scenario that has been built again."""
    models = [
        _read_model(reader, cohorts[c].start.models[tuple(cell)], state, attributes)  # type: ignore[union-attr]
        for c, cell, state, attributes in given["models"]
    ]

    def stack(cohort: Cohort, written: Any) -> Stack:
        if written is None:
            return cohort.start
        if not isinstance(cohort.start, Looped):
            return cohort.start.rebuild(reader.read(written))
        number = np.array(written)
        out = np.empty(number.shape, dtype=object)
        for cell in np.ndindex(*number.shape):
            out[cell] = models[number[cell]]
        return Looped(out)

    return [[stack(cohort, one) for cohort, one in zip(cohorts, then, strict=True)] for then in given["stacks"]]


def _write_model(writer: Writer, model: GenerativeModel, start: GenerativeModel, place: str) -> tuple[Any, Any]:
    """Its state and the attributes that have changed; what cannot be written is left to a state of its own."""
    family = type(model).__name__
    if type(model) is not type(start):
        raise Unwritable(
            f"a checkpoint can hold a {type(start).__name__}, in its place is a {family} ({place}); let agents write "
            "models of the class that the scenario has"
        )
    attributes = []
    for path, name, value in _changed(model, start):
        try:
            held = [] if value is _GONE else [writer.write(value, "/".join(filter(None, (place, path, name))))]
            attributes.append([path, name, *held])
        except Unwritable as error:
            if type(model).state is GenerativeModel.state:
                raise Unwritable(
                    f"{error}; give {family} methods state() and load_state(state) that make tensors, numbers and "
                    "texts of it"
                ) from None
    return writer.write(dict(model.state()), place), attributes


def _read_model(reader: Reader, start: GenerativeModel, state: Any, attributes: list[Any]) -> GenerativeModel:
    new = copy.deepcopy(start)
    for path, name, *value in attributes:
        module = new.get_submodule(path)
        if name.endswith(_GRAD):
            module.get_parameter(name.removesuffix(_GRAD)).requires_grad_(value[0])
            continue
        held = module._buffers if name in module._buffers else vars(module)
        if value:
            held[name] = reader.read(value[0])
        else:
            del held[name]
    new.load_state(reader.read(state))
    return new


def _changed(model: nn.Module, start: nn.Module) -> Iterator[tuple[str, str, Any]]:
    """Module, name and value of every attribute that is not as it was; a module itself where it is another."""
    modules, before = dict(model.named_modules()), dict(start.named_modules())
    for path in dict.fromkeys((*modules, *before)):
        if type(modules.get(path)) is not type(before.get(path)):
            yield path, "", modules.get(path, before.get(path))
            continue
        now, then = _attributes(modules[path]), _attributes(before[path])
        for name in dict.fromkeys((*now, *then)):
            if name not in now or name not in then or not _same(now[name], then[name]):
                yield path, name, now.get(name, _GONE)


def _same(one: Any, other: Any) -> bool:
    return one is other or digest(one) == digest(other)


def _attributes(module: nn.Module) -> dict[str, Any]:
    """What a module keeps and its state dict does not have."""
    own = {n: v for n, v in made_of(module).items() if n not in _TORCH}
    own |= {n: module._buffers[n] for n in module._non_persistent_buffers_set if n in module._buffers}
    return own | {n + _GRAD: p.requires_grad for n, p in module._parameters.items() if p is not None}
