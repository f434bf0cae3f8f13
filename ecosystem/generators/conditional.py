"""Conditional families in closed form: a table of categoricals, or of Gaussians, by input.

Each is a law of rows (input, output). What it is asked are the inputs of its last training set, as of every conditional
model here (:class:`~ecosystem.generators.base.ConditionalModel`), whether they came with an output or without. So what
is asked of it may be another member's to write: a flow that carries inputs alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ecosystem.core.check import switch
from ecosystem.core.labelled import Labelled
from ecosystem.core.laws import Finite, Law, NoPopulationLaw, far, pick
from ecosystem.core.products import grouped_product, moment, safe_factor
from ecosystem.core.streams import Stream
from ecosystem.generators.asking import whole_inputs
from ecosystem.generators.categorical import known_symbols
from ecosystem.generators.closed_form import ClosedForm, parameter, vectors
from ecosystem.generators.gaussian import check_covariance, floored

_SEEN = 1e-9  # part of the data below which nothing was seen of an input
_ROUNDING = 1e-12  # by which a probability may miss 0


class ConditionalCategorical(ClosedForm):
    """Outputs ``j < m`` given inputs ``i < C``: ``inputs [C]``, ``outputs [C, m]``, whose rows add up to 1.

    A sample is the symbol ``i·m + j``; ``C·m + i`` is the input ``i`` without an output, which it never makes and may
    be trained on. Of a flow whose producer writes inputs, ``transform=lambda c: C * m + c`` asks it; ``lambda s: s //
    m`` reads what it was asked, ``s % m`` what it answered. Every fit is by frequencies: the inputs are those of all
    that came, the outputs those of pairs, and an input without pairs keeps its row. With ``learns=False`` it answers as
    ever, whatever it is asked. All laws are finite: choices, alignment and influence are exact for every curator on
    symbols; ``Tabular`` takes ``C·(m + 1)`` values.

    Raises
    ------
    ValueError
        If the probabilities are negative or do not add up to 1, or ``outputs`` has no row for each input.

    >>> ConditionalCategorical([0.5, 0.5], [[1.0, 0.0], [0.2, 0.8]]).law().probabilities[:4]
    tensor([0.5000, 0.0000, 0.1000, 0.4000], dtype=torch.float64)
    """

    PARAMETERS: ClassVar[dict[str, int]] = {"inputs": 1, "outputs": 2}
    SETTINGS: ClassVar[tuple[str, ...]] = ("event_shape", "learns")
    inputs: Tensor
    outputs: Tensor

    def __init__(self, inputs: Any, outputs: Any, learns: bool = True) -> None:
        asked = _shares(parameter(inputs, 1, "ConditionalCategorical(inputs)"), "ConditionalCategorical(inputs)")
        table = _shares(parameter(outputs, 2, "ConditionalCategorical(outputs)"), "ConditionalCategorical(outputs)")
        _one_each(table, asked, "ConditionalCategorical(outputs)")
        super().__init__((), inputs=asked, outputs=table)
        self.learns = switch(learns, "ConditionalCategorical(learns)")

    @property
    def symbols(self) -> int:  # type: ignore[override]
        return self.outputs.shape[-2] * (self.outputs.shape[-1] + 1)

    def moving(self) -> dict[str, Tensor]:
        return self.tensors() if self.learns else {"inputs": self.inputs}

    def noise(self, n: int, rng: Stream) -> Tensor:
        return rng.uniform(n, 1)

    def statistic(self, data: Tensor) -> Tensor:
        data = known_symbols(data, self.symbols, "what a ConditionalCategorical is fitted to")
        counts = torch.zeros(*data.shape[:-1], self.symbols, dtype=self.inputs.dtype, device=data.device)
        return counts.scatter_add_(-1, data, torch.ones_like(data, dtype=counts.dtype)) / data.shape[-1]

    def statistic_of(self, law: Law) -> Tensor:
        if not isinstance(law, Finite):
            raise TypeError("ConditionalCategorical learns from symbols, this flow carries vectors")
        return law.within(self.symbols).probabilities

    def refit(self, statistic: Tensor) -> Self:
        count, size = self.outputs.shape[-2:]
        pairs = statistic[..., : count * size].unflatten(-1, (count, size))
        asked = pairs.sum(-1) + statistic[..., count * size :]
        outputs = _kept(pairs.sum(-1), pairs, self.outputs) if self.learns else self.outputs
        return self.rebuild({"inputs": asked / asked.sum(-1, keepdim=True), "outputs": outputs})

    def admissible(self) -> Tensor:
        return super().admissible() & (self.vector() >= -_ROUNDING).all(-1)

    def tangent(self, change: Tensor) -> Tensor:
        count, size = self.outputs.shape[-2:]
        parts = [change[..., :count] - change[..., :count].mean(-1, keepdim=True)]
        if self.learns:
            rows = change[..., count:].unflatten(-1, (count, size))
            parts.append((rows - rows.mean(-1, keepdim=True)).flatten(-2))
        return torch.cat(parts, -1)

    def law(self) -> Finite:
        joint = (self.inputs.unsqueeze(-1) * self.outputs).flatten(-2)
        return Finite(torch.nn.functional.pad(joint, (0, self.inputs.shape[-1])))


class ConditionalGaussian(ClosedForm):
    """Vectors given inputs ``c < C``: ``inputs [C]``, ``means [C, d]``, ``covariances [C, d, d]``.

    A sample is the row ``(c, x)`` of ``1 + d`` numbers, with NaN in the place of ``x`` the input ``c`` without an
    output, which it never makes and may be trained on (:class:`~ecosystem.generators.Asking`). Every fit is by maximum
    likelihood (divisor ``n``): the inputs are those of all that came, mean and covariance of each those of its outputs,
    and an input without outputs keeps its own. ``floor`` is the smallest variance in any direction. With
    ``learns=False`` it answers as ever, whatever it is asked. Its law is known to other tables
    (:class:`~ecosystem.core.labelled.Labelled`), and choices by a reward of inputs alone (:class:`OfInput`); on any
    other population law its fit is refused by name.

    Raises
    ------
    ValueError
        If the inputs are no probabilities, there is no mean or covariance for each, or a covariance is singular.

    >>> ConditionalGaussian([0.5, 0.5], [[0.0], [1.0]], [[[1.0]], [[2.0]]]).law().mean
    tensor([0.5000, 0.5000], dtype=torch.float64)
    """

    PARAMETERS: ClassVar[dict[str, int]] = {"inputs": 1, "means": 2, "covariances": 3}
    SETTINGS: ClassVar[tuple[str, ...]] = ("event_shape", "floor", "learns", "origin")
    inputs: Tensor
    means: Tensor
    covariances: Tensor
    origin: tuple[tuple[float, ...], ...] | None  # what moments of each input's outputs are about, where they are far

    def __init__(self, inputs: Any, means: Any, covariances: Any, floor: float = 1e-9, learns: bool = True) -> None:
        asked = _shares(parameter(inputs, 1, "ConditionalGaussian(inputs)"), "ConditionalGaussian(inputs)")
        m = parameter(means, 2, "ConditionalGaussian(means)")
        s = parameter(covariances, 3, "ConditionalGaussian(covariances)")
        _one_each(m, asked, "ConditionalGaussian(means)")
        if s.shape != (*m.shape, m.shape[-1]):
            raise ValueError(
                f"ConditionalGaussian(covariances) must have shape {(*m.shape, m.shape[-1])} to go with means "
                f"{tuple(m.shape)}, got {tuple(s.shape)}"
            )
        for c, matrix in enumerate(s):
            check_covariance(matrix, floor, f"ConditionalGaussian(covariances)[{c}]")
        super().__init__((1 + m.shape[-1],), inputs=asked, means=m, covariances=s)
        self.floor, self.learns = float(floor), switch(learns, "ConditionalGaussian(learns)")
        self.origin = None

    def about(self, data: Callable[[], Law | None]) -> Self:
        means, variances, law = self.means, self.covariances.diagonal(dim1=-2, dim2=-1), data()
        if isinstance(law, Labelled) and law.means is not None and law.means.shape == means.shape:
            there, spread = law.given()
            means, variances = there, torch.minimum(variances, spread.diagonal(dim1=-2, dim2=-1))
        remote = far(means, variances)
        if not bool(remote.any()):
            return self
        new = self.rebuild(self.tensors())
        new.origin = tuple(map(tuple, torch.where(remote, means, 0.0).tolist()))
        return new

    def moving(self) -> dict[str, Tensor]:
        return self.tensors() if self.learns else {"inputs": self.inputs}

    def noise(self, n: int, rng: Stream) -> Tensor:
        return torch.cat([rng.at("component").uniform(n, 1), rng.normal(n, self.means.shape[-1])], -1)

    def push_from(self, noise: Tensor, index: Tensor) -> Tensor:
        count, d = self.means.shape[-2:]
        label = pick(self.inputs.reshape(-1, count)[index], noise[:, 0])
        flat = index * count + label
        factor = safe_factor(self.covariances).reshape(-1, d, d)
        x = self.means.reshape(-1, d)[flat] + grouped_product(noise[:, 1:], flat, factor)
        return torch.cat([label.unsqueeze(-1).to(x.dtype), x], -1)

    def validate(self, data: Any) -> None:
        known_symbols(whole_inputs(data), self.inputs.shape[-1], "the first numbers of rows (input, output)")

    def statistic(self, data: Tensor) -> Tensor:
        rows, count = vectors(data, self.means), self.inputs.shape[-1]
        label = known_symbols(whole_inputs(rows), count, "the inputs of what a ConditionalGaussian is fitted to")
        answered = ~rows[..., 1:].isnan().any(-1, keepdim=True)
        x = rows[..., 1:]
        if self.origin is not None:
            here = label.unsqueeze(-1).expand_as(x)
            x = x - _place(self.origin, rows).expand(*label.shape[:-1], *self.means.shape[-2:]).gather(-2, here)
        x = torch.where(answered, x, 0.0)
        asked = torch.nn.functional.one_hot(label, count).to(x.dtype)  # [*batch, n, C]
        pairs = asked * answered
        weighted = pairs.mT.unsqueeze(-1) * x.unsqueeze(-3)  # [*batch, C, n, d]
        second = moment(weighted, x.unsqueeze(-3).expand_as(weighted))
        return torch.cat([asked.mean(-2), pairs.mean(-2), moment(pairs, x).flatten(-2), second.flatten(-3)], -1)

    def statistic_of(self, law: Law) -> Tensor:
        if not isinstance(law, Labelled) or law.inputs.shape[-1] != self.inputs.shape[-1]:
            raise NoPopulationLaw("the fit of ConditionalGaussian to a law that has no output by each of its inputs")
        p, (count, d) = law.inputs, self.means.shape[-2:]
        if law.means is None:
            return torch.nn.functional.pad(p, (0, count * (1 + d + d * d)))
        means, covariances = law.given()
        means = means if self.origin is None else means - _place(self.origin, means)
        second = covariances + means.unsqueeze(-1) * means.unsqueeze(-2)
        moments = [p.unsqueeze(-1) * means, p.unsqueeze(-1).unsqueeze(-1) * second]
        return torch.cat([p, p, moments[0].flatten(-2), moments[1].flatten(-3)], -1)

    def refit(self, statistic: Tensor) -> Self:
        count, d = self.means.shape[-2:]
        asked, mass, first, second = statistic.split([count, count, count * d, count * d * d], -1)
        new = self.tensors() | {"inputs": asked / asked.sum(-1, keepdim=True)}
        if not self.learns:
            return self.rebuild(new)
        origin = 0.0 if self.origin is None else _place(self.origin, self.means)
        means = _kept(mass, first.unflatten(-1, (count, d)), self.means - origin)
        square = means.unsqueeze(-1) * means.unsqueeze(-2)
        seconds = _kept(mass, second.unflatten(-1, (count, d, d)), self.covariances + square)
        return self.rebuild(new | {"means": means + origin, "covariances": floored(seconds - square, self.floor)})

    def admissible(self) -> Tensor:
        low = (torch.linalg.cholesky_ex(self.covariances).info != 0).any(-1)
        return super().admissible() & (self.inputs >= -_ROUNDING).all(-1) & ~low

    def tangent(self, change: Tensor) -> Tensor:
        count, d = self.means.shape[-2:]
        asked, rest = change[..., :count], change[..., count:]
        asked = asked - asked.mean(-1, keepdim=True)
        if not self.learns:
            return asked
        matrix = rest[..., count * d :].unflatten(-1, (count, d, d))
        return torch.cat([asked, rest[..., : count * d], (0.5 * (matrix + matrix.mT)).flatten(-3)], -1)

    def law(self) -> Labelled:
        return Labelled(self.inputs, self.means, self.covariances)


def _place(origin: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    """What moments are about, ``[*batch, C, d]``."""
    return torch.tensor(origin, dtype=like.dtype, device=like.device)


def _shares(p: Tensor, what: str) -> Tensor:
    """Probabilities, exactly; ValueError where they are none."""
    total = p.sum(-1)
    if (p < 0).any() or bool(((total - 1).abs() > 1e-6).any()):
        raise ValueError(
            f"{what} must be at least 0 and add up to 1, got sums {total.tolist()} and {float(p.min()):.3g}"
        )
    return p / total.unsqueeze(-1)


def _one_each(table: Tensor, inputs: Tensor, what: str) -> None:
    if len(table) != len(inputs):
        raise ValueError(f"{what} must have a row for each of {len(inputs)} inputs, got {len(table)}")


def _kept(mass: Tensor, total: Tensor, old: Tensor) -> Tensor:
    """``total / mass`` of what was seen by input, the ``old`` where nothing was; ``mass [*batch, C]``."""
    mass = mass[(..., *(None,) * (total.ndim - mass.ndim))]
    return torch.where(mass > _SEEN, total / torch.where(mass > _SEEN, mass, 1.0), old)
