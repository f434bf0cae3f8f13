"""The models of a run given back: the user's own modules with the weights of a round."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecosystem.core.check import brief, one_line
from ecosystem.engine.looped import Looped
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.generators.base import reshaped

Models = Mapping[str, ClosedForm | list[GenerativeModel]]  # by member: a stack, or a list, of all replicates


_OF_ONE = re.compile(r"(?P<name>.+)\[(?P<replicate>\d+)\]", re.DOTALL)
MANY = 1_000  # members of one family who are kept and written by the array


class Stacked(Mapping[str, Any]):
    """Parameters by member, ``{name: {parameter: tensor [replicates, ...]}}``, of stacks: made when they are read.

    ``stacks`` are dicts of tensors ``[rows, replicates, ...]``; ``places [members, 2]`` say in which and in which row
    each of ``names`` stands. What is ``apart`` stands in none (its place is (-1, -1)). What is made is kept: it is the
    same object each time.

    >>> ends = Stacked(["a", "b"], [{"mean": torch.tensor([[0.5], [0.25]])}], np.array([[0, 0], [0, 1]]))
    >>> list(ends), ends["b"]
    (['a', 'b'], {'mean': tensor([0.2500])})
    """

    def __init__(
        self,
        names: Sequence[str],
        stacks: Sequence[dict[str, Tensor]],
        places: np.ndarray,
        apart: Mapping[str, dict[str, Tensor]] | None = None,
    ) -> None:
        self.names, self.stacks, self.places = names, stacks, places
        self._made = dict(apart or {})

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> dict[str, Tensor]:
        if name not in self._made:
            stack, row = self.places[self._index[name]].tolist()
            self._made[name] = {key: x[row].clone() for key, x in self.stacks[stack].items()}
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def split(self) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
        """What a file holds: stacks of at least ``MANY`` members with all places, and all other members one by one."""
        large = [
            len(next(iter(stack.values()), ())) >= MANY for stack in self.stacks
        ]  # empty: of those kept one by one
        if not any(large):
            return {}, dict(self)
        whole = np.array([*large, False])[self.places[:, 0]]
        kept = [(k, key) for k, yes in enumerate(large) if yes for key in self.stacks[k]]
        tensors = {f"{k}/{key}": self.stacks[k][key] for k, key in kept}
        seen = [name for name in self._made if whole[self._index[name]]]
        if seen:  # somebody may have changed them
            tensors = {key: x.clone() for key, x in tensors.items()}
        for name in seen:
            stack, row = self.places[self._index[name]].tolist()
            for key, x in self._made[name].items():
                tensors[f"{stack}/{key}"][row] = x
        alone = [self.names[i] for i in np.flatnonzero(~whole).tolist()]
        places = torch.from_numpy(np.where(whole[:, None], self.places, -1))
        return {**tensors, "places": places}, {name: self[name] for name in alone}


def split(
    parameters: Mapping[str, dict[str, Tensor]],
) -> tuple[dict[str, Tensor], Mapping[str, dict[str, Tensor]]]:
    """Parameters as :meth:`Stacked.split` parts them; those by member alone stay as they are."""
    return parameters.split() if isinstance(parameters, Stacked) else ({}, parameters)


def joined(names: Sequence[str], tensors: Mapping[str, Tensor], apart: Mapping[str, dict[str, Tensor]]) -> Stacked:
    """What :meth:`Stacked.split` has parted; ``names`` are those of all members."""
    places = tensors["places"].numpy()
    stacks: list[dict[str, Tensor]] = [{} for _ in range(int(places[:, 0].max()) + 1)]
    for place, x in tensors.items():
        if place != "places":
            number, _, key = place.partition("/")
            stacks[int(number)][key] = x
    return Stacked(names, stacks, places, apart)


def ends_of(program: Program, state: State, variant: int) -> Mapping[str, dict[str, Tensor]]:
    """All members' parameters as they are now; those of large families by the array."""
    stacks: list[dict[str, Tensor]] = []
    places, apart = np.full((len(program.names), 2), -1), {}
    for c, cohort in enumerate(program.cohorts):
        part = state.now[c]
        if isinstance(part, Looped):
            apart |= {name: parameters_of(program, state, name, variant) for name in cohort.names}
        elif cohort.names:
            places[cohort.ids, 0], places[cohort.ids, 1] = len(stacks), np.arange(len(cohort.names))
            stacks.append({key: x[:, variant].cpu() for key, x in part.tensors().items()})
    whole = Stacked(program.names, stacks, places, apart)
    return whole if len(whole) >= MANY else dict(whole)


class Modules(Mapping[str, Any]):
    """The models of a run by member, in all replicates: those of the state itself, picked when somebody asks."""

    def __init__(self, program: Program, state: State, variant: int) -> None:
        self._names, self._places = program.names, np.zeros((len(program.names), 2), dtype=np.int64)
        for c, cohort in enumerate(program.cohorts):
            self._places[cohort.ids, 0], self._places[cohort.ids, 1] = c, np.arange(len(cohort.names))
        self._stacks = [stack.take((slice(None), variant)) for stack in state.now]

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self._names)}

    def __getitem__(self, name: str) -> ClosedForm | list[GenerativeModel]:
        stack, row = self._places[self._index[name]].tolist()
        part = self._stacks[stack].take(row)
        return (
            [_without_optimizer(model) for model in part.models] if isinstance(part, Looped) else part.map(Tensor.cpu)
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def parameters_of(program: Program, state: State, name: str, variant: int) -> dict[str, Tensor]:
    """Copies of a member's parameters by name, ``[replicates, ...]``; those of :func:`together` by replicate."""
    c, row = program.places[name]
    part = state.now[c].take((row, variant))
    if not isinstance(part, Looped):
        return part.map(lambda t: t.cpu().clone()).tensors()
    return together([model.state_dict() for model in part.models])


def together(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """State dicts of all replicates, ``{name: [replicates, ...]}``.

    What has another shape in each replicate (archives that kept more in one than in another), or is not there in all,
    is one tensor a replicate, ``name[0]``, ``name[1]``, ...: filled up it would hold numbers that nobody kept.

    >>> together([{"kept": torch.zeros(2)}, {"kept": torch.ones(1)}])
    {'kept[0]': tensor([0., 0.]), 'kept[1]': tensor([1.])}
    """
    found: dict[str, Tensor] = {}
    for key in dict.fromkeys(key for state in states for key in state):
        there = {i: state[key].detach().cpu() for i, state in enumerate(states) if key in state}
        if len(there) == len(states) and len({(x.shape, x.dtype) for x in there.values()}) == 1:
            found[key] = torch.stack(list(there.values()))
        else:
            found |= {f"{key}[{i}]": x.clone() for i, x in there.items()}
    return found


def apart(weights: Mapping[str, Tensor], replicate: int) -> dict[str, Tensor]:
    """The state dict of one replicate of those :func:`together`."""
    found: dict[str, Tensor] = {}
    for name, x in weights.items():
        own = _OF_ONE.fullmatch(name)
        if own is None:
            found[name] = x[replicate]
        elif int(own["replicate"]) == replicate:
            found[own["name"]] = x
    return found


def one(models: ClosedForm | list[GenerativeModel], replicate: int) -> GenerativeModel:
    """That of one replicate."""
    return models.take(replicate) if isinstance(models, ClosedForm) else models[replicate]


def _without_optimizer(model: GenerativeModel) -> GenerativeModel:
    """The same module, that does not hold on to what its optimizer had kept: twice its weights."""
    if model.optimizer_state is None:
        return model
    new = copy.copy(model)
    new.optimizer_state = None
    return new


def given(model: GenerativeModel, weights: Mapping[str, Tensor] | None, place: str) -> GenerativeModel:
    """A copy of a model in evaluation mode, with other ``weights`` where there are some.

    Raises
    ------
    ValueError
        If the weights do not fit the model; ``place`` says whose they are.
    """
    new = copy.deepcopy(model)
    if weights is not None:
        mine = {name: weight.clone() for name, weight in weights.items()}
        try:
            if isinstance(new, ClosedForm):
                kept = {n: mine.pop(n, None) for n in new._buffers if n not in new.tensors()}  # an archive's samples
                if new.tensors().keys() != mine.keys():
                    raise ValueError(f"it has {', '.join(new.tensors())}, the run {', '.join(mine)}")
                new._buffers.update(new.rebuild(mine).tensors() | kept)
            else:
                reshaped(new, mine)
                new.load_state_dict(mine)
        except (RuntimeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{place}: its weights do not fit a {type(model).__name__} ({one_line(error)}); give like= a model "
                "made as that of the scenario was"
            ) from error
    new.zero_grad(set_to_none=True)
    return new.eval()


def portable(models: Models) -> Models:
    """The models, if they can go to another process; none else."""
    try:
        pickle.dumps(models)
    except Exception:  # whatever a class of the user's own says
        return {}
    return models


def choose(kept: Mapping[int, Any], last: Any, completed: int, round: int | None, place: str) -> Any:
    """What was kept of a round, ``last`` for the last one; ValueError where nothing was."""
    if round is None or round == completed:
        return last
    if round not in kept:
        there = f"those of {', '.join(map(str, kept))} and the last" if kept else "only those of the last"
        raise ValueError(
            f"{place}: the parameters of round {brief(round)} were not kept, {there} ({completed}) are; record them: "
            "Record(parameters=every(1))"
        )
    return kept[round]
