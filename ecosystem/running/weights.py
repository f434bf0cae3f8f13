"""The models of a run given back: the user's own modules with the weights of a round."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ecosystem.core.check import brief, one_line
from ecosystem.engine.looped import Looped
from ecosystem.engine.program import Program
from ecosystem.engine.state import State
from ecosystem.generators import ClosedForm, GenerativeModel
from ecosystem.generators.base import reshaped

Models = Mapping[str, ClosedForm | list[GenerativeModel]]  # by member: a stack, or a list, of all replicates


def parameters_of(program: Program, state: State, name: str, variant: int) -> dict[str, Tensor]:
    """Copies of a member's parameters by name, ``[replicates, ...]``."""
    c, row = program.places[name]
    part = state.now[c].take((row, variant))
    if not isinstance(part, Looped):
        return part.map(torch.clone).tensors()
    states = [model.state_dict() for model in part.models]
    return {key: torch.stack([state[key].cpu() for state in states]) for key in states[0]}


def models_of(program: Program, state: State, name: str, variant: int) -> ClosedForm | list[GenerativeModel]:
    """A member's models in all replicates: those of the state itself, to be copied by who gives them away."""
    c, row = program.places[name]
    part = state.now[c].take((row, variant))
    return [_without_optimizer(model) for model in part.models] if isinstance(part, Looped) else part


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
                if new.tensors().keys() != mine.keys():
                    raise ValueError(f"it has {', '.join(new.tensors())}, the run {', '.join(mine)}")
                new = new.rebuild(mine)
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
