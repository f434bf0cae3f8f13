"""A taste learned from comparisons: Bradley and Terry's model with a ridge, at its optimum."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, jacrev

from ecosystem.core.arguments import spelled
from ecosystem.core.check import brief, real_number
from ecosystem.curation.comparisons import Comparisons
from ecosystem.rewards import Linear, Reward, Tabular

_STEPS, _HALVINGS = 200, 40
_CHUNK = 256  # pairs that are differentiated at a time
_SETTLED = 1e-9  # the largest gradient with which a taste counts as learned
_EXACT = 1e-15  # a gradient, or what a step would gain of its square root, below which nothing more is to be had


@dataclass(frozen=True, eq=False)
class Labels:
    """Pairs of items, how much each counts, and how often its first is preferred; the loss of a taste on them.

    ``L(w) = Σ weight [p·log(1 + e^{−z}) + (1 − p)·log(1 + e^z)] + ridge/2·‖w‖²`` with ``z = r_w(first) − r_w(second)``.
    """

    form: Reward  # whose state w is learned
    items: Tensor
    first: Tensor  # [pairs]
    second: Tensor
    weight: Tensor
    wins: Tensor
    ridge: Tensor

    def gaps(self, w: Tensor) -> Tensor:
        """``z [pairs]``."""
        return self._gaps(w) if self.linear is None else self.linear @ w

    def _gaps(self, w: Tensor) -> Tensor:
        values = self.form.with_state(w)(self.items).to(torch.float64)
        return values[self.first] - values[self.second]

    def loss(self, w: Tensor) -> Tensor:
        z = self.gaps(w)
        lost = self.wins * torch.nn.functional.softplus(-z) + (1 - self.wins) * torch.nn.functional.softplus(z)
        return (self.weight * lost).sum() + self.ridge / 2 * (w**2).sum()

    @cached_property
    def linear(self) -> Tensor | None:
        """``∂z/∂w [pairs, p]`` of a form that is linear in features, ``z = (∂z/∂w) w``; else None."""
        try:
            self.form.features()
        except TypeError:
            return None
        state = self.form.state()
        assert state is not None
        units = torch.eye(state.shape[-1], dtype=torch.float64, device=state.device)
        return torch.stack([self._gaps(unit) for unit in units], -1).detach()

    def slopes(self, w: Tensor) -> Tensor:
        """``∂z/∂w``, ``[pairs, p]``."""
        return jacrev(self._gaps, chunk_size=_CHUNK)(w).detach() if self.linear is None else self.linear

    def gradient(self, w: Tensor) -> Tensor:
        """``∂L/∂w``, ``[p]``."""
        if self.linear is None:
            return grad(self.loss)(w).detach()
        return (self.weight * (torch.sigmoid(self.gaps(w)) - self.wins)) @ self.linear + self.ridge * w

    def curvature(self, w: Tensor) -> Tensor:
        """``∂²L/∂w²``, ``[p, p]``."""
        if self.linear is None:
            return jacrev(grad(self.loss))(w).detach()
        odds = torch.sigmoid(self.gaps(w))
        scaled = self.linear * (self.weight * odds * (1 - odds)).unsqueeze(-1)
        return scaled.mT @ self.linear + self.ridge * torch.eye(len(w), dtype=w.dtype, device=w.device)

    def turned(self, rows: Sequence[int]) -> Labels:
        """The same with some labels turned round."""
        wins = self.wins.clone()
        wins[list(rows)] = 1 - wins[list(rows)]
        new = copy.copy(self)  # with what is known of its pairs
        object.__setattr__(new, "wins", wins)
        return new

    def learned(self, w: Tensor) -> Tensor:
        """The minimiser, by Newton's method from ``w [p]``; ValueError where it does not settle."""
        loss, gradient = self.loss(w), self.gradient(w)
        for _ in range(_STEPS):
            norm = gradient.norm()
            if float(norm) <= _EXACT:
                break
            curvature = self.curvature(w)
            if not bool(torch.isfinite(curvature).all()):
                raise ValueError(
                    f"the reward {self.form} was not learned: its loss has a curvature that is not finite, for items "
                    f"up to {float(self.items.abs().max()):.3g}; give items, and numbers of the form, of ordinary size"
                )
            step = _downhill(curvature, gradient)
            if float((step * gradient).sum()) <= _EXACT**2:
                w = w - step
                break
            for halving in range(_HALVINGS):
                there = w - step / 2**halving
                its_loss, its_gradient = self.loss(there), self.gradient(there)
                rounding = _EXACT * (1 + loss.abs())  # within it the gradient tells which is better
                if bool(its_loss < loss) or (bool(its_loss <= loss + rounding) and bool(its_gradient.norm() < norm)):
                    break
            else:
                break
            w, loss, gradient = there, its_loss, its_gradient
        norm = float(self.gradient(w).norm())
        if not norm <= _SETTLED * (1 + float(w.norm())):
            raise ValueError(
                f"the reward {self.form} was not learned: after {_STEPS} steps of Newton's method its loss still has a "
                f"gradient of norm {norm:.2g}; raise the ridge, {float(self.ridge):.4g}"
            )
        return w


@dataclass(frozen=True, eq=False)
class BradleyTerry:
    """A reward learned from comparisons, and how it hangs on them; made by :func:`learned`.

    ``reward`` is an ordinary one, which curates like any other; ``loss`` is what is left at the optimum, ``gradient``
    the norm of the gradient there.
    """

    reward: Reward
    comparisons: Comparisons
    labels: Labels

    @cached_property
    def weights(self) -> Tensor:
        """What was learned: the state ``w [p]`` of the reward."""
        state = self.reward.state()
        assert state is not None
        return state.detach()

    @property
    def loss(self) -> float:
        return float(self.labels.loss(self.weights))

    @property
    def gradient(self) -> float:
        return float(self.labels.gradient(self.weights).norm())

    def effects(self, gradient: Tensor) -> Tensor:
        """What flipping each label alone would do to a number with the ``gradient [p]`` by weights, ``[pairs]``.

        A flip moves the gradient of the loss by ``±(∂z/∂w)/pairs``, whatever ``z``; the optimum goes along by minus the
        inverse Hessian (the implicit function), to first order.
        """
        slopes = self.labels.slopes(self.weights)
        back = torch.linalg.solve(self.labels.curvature(self.weights), gradient)
        return -self.labels.weight * (2 * self.labels.wins - 1) * (slopes @ back)

    def flipped(self, rows: Sequence[int]) -> BradleyTerry:
        """Learned in the same way from the comparisons with some labels flipped (rows of the table, from 0)."""
        comparisons, labels = self.comparisons.flipped(rows), self.labels.turned(rows)
        return BradleyTerry(labels.form.with_state(labels.learned(self.weights)), comparisons, labels)

    def __repr__(self) -> str:
        return f"BradleyTerry({self.reward} from {self.comparisons}, loss {self.loss:.4g})"


@spelled
def learned(comparisons: Comparisons, *, form: Any = None, ridge: float = 0.01) -> BradleyTerry:
    """The reward that comparisons teach: the minimiser of their mean loss plus ``ridge/2·‖w‖²``.

    ``L(w) = mean log(1 + e^{−(r_w(preferred) − r_w(other))}) + ridge/2·‖w‖²`` (Bradley, Terry 1952). Of rewards that
    are linear in features it is strictly convex: one optimum, found to a gradient near rounding.

    Parameters
    ----------
    form: what is learned, any reward with a state; where it stands is where the search begins. By default a number for
        each symbol (``Tabular``), or a direction (``Linear``) for vectors; ``Preference(weights, features)`` is linear
        in features, ``Neural(module)`` a torch module of your own (a minimum near its own weights).
    ridge: how strongly weights are held to 0, positive: without it labels that all agree would teach infinite ones.

    Raises
    ------
    TypeError
        If ``form`` has no state that could be learned.
    ValueError
        If the ridge is not positive, there are no comparisons, the form does not fit the items, or no optimum is found.

    >>> import pandas as pd
    >>> table = pd.DataFrame({"first": [0, 0, 1], "second": [1, 2, 2], "preferred": [0, 0, 1]})
    >>> said = Comparisons(table, items=3)
    >>> fit = learned(said, ridge=0.1)
    >>> [round(x, 4) for x in fit.weights.tolist()], fit.gradient < 1e-12
    ([1.1295, 0.0, -1.1295], True)
    """
    if not isinstance(comparisons, Comparisons):
        raise TypeError(f"learned(comparisons) is a table: Comparisons(table, items), got {brief(comparisons)}")
    if not len(comparisons):
        raise ValueError("learned(comparisons) has no pairs, so there is nothing to learn; give some")
    number = real_number(ridge)
    if not 0 < number < float("inf"):
        raise ValueError(f"learned(ridge) must be a positive number, got {brief(ridge)}")
    taste = _form(comparisons.items) if form is None else form
    start = check_form(taste, comparisons.items)
    even = torch.full((len(comparisons),), 1 / len(comparisons), dtype=torch.float64)
    first, second = comparisons.places("first"), comparisons.places("second")
    held = torch.tensor(number, dtype=torch.float64)
    labels = Labels(taste, comparisons.items, first, second, even, comparisons.wins(), held)
    return BradleyTerry(taste.with_state(labels.learned(start)), comparisons, labels)


def check_form(form: Any, items: Tensor) -> Tensor:
    """The state ``[p]`` at which a form of taste begins; refused where it cannot be learned from these items."""
    state = form.state() if isinstance(form, Reward) else None
    if state is None:
        raise TypeError(
            f"learned(form) is a reward with a state, such as Tabular(values), Linear(direction), Preference(weights, "
            f"features) or Neural(module); got {brief(form)}"
        )
    if form.of_pairs or state.ndim != 1:
        what = "judges pairs of input and output" if form.of_pairs else f"has a state of shape {tuple(state.shape)}"
        raise ValueError(f"learned(form): {form} {what}; comparisons teach one taste of samples without inputs")
    symbols, shape, event = form.symbols(), form.event_shape(), tuple(items.shape[1:])
    if symbols is not None and symbols != len(items):
        raise ValueError(f"learned(form): {form} judges {symbols} symbols, and {len(items)} are compared")
    if shape is not None and shape != event:
        raise ValueError(f"learned(form): {form} judges samples of shape {shape}, and those compared have {event}")
    return state.detach().to(torch.float64)


def _form(items: Tensor) -> Reward:
    """What is learned of items unless one says otherwise."""
    if items.is_floating_point():
        return Linear(torch.zeros(items.shape[1:]))
    return Tabular(torch.zeros(len(items)))


def _downhill(curvature: Tensor, gradient: Tensor) -> Tensor:
    """Newton's step; where the loss is not convex, with as much added to the diagonal as makes it go down."""
    lower, info = torch.linalg.cholesky_ex(curvature)
    if int(info):
        values, vectors = torch.linalg.eigh(curvature)
        sizes = values.abs().clamp(min=1e-6 * float(values.abs().max()))
        return vectors @ ((vectors.mT @ gradient) / sizes)
    return torch.cholesky_solve(gradient.unsqueeze(-1), lower).squeeze(-1)
