"""How ``ρ(B)``, which says whether small disturbances fade, moves with shares and with where the network is."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigs
from torch import Tensor

from ecosystem.influence.dynamics import Dynamics
from ecosystem.influence.jacobian import DENSE, Map, dense
from ecosystem.influence.resolvent import Resolvent


def slope(dynamics: Dynamics, point: Tensor, resolvent: Resolvent) -> tuple[Tensor, np.ndarray]:
    """``∂ρ/∂Θ [1, size]`` and ``∂ρ/∂shares [components]`` at ``point [size]``.

    ``Re(conj(λ)/|λ| · lᴴ dB r / lᴴ r)``, with the left and right eigenvectors ``l`` and ``r`` of the largest eigenvalue
    ``λ``. Where the largest two are equally large (and no pair of conjugates) the radius has a kink, and this is the
    slope of one of them.
    """
    value, left, right = _largest(dynamics, point, resolvent)
    if value == 0:
        return torch.zeros_like(point).unsqueeze(0), np.zeros(len(dynamics.shares))
    turned = np.conj(left) * (np.conj(value) / abs(value) / (np.conj(left) @ right))  # Re(turned · dB r) is the slope
    along = torch.from_numpy(np.stack([np.real(right), np.imag(right)]))
    weights = torch.from_numpy(np.stack([np.real(turned), -np.imag(turned)]))
    theta = point.unsqueeze(0).clone().requires_grad_()
    shares = dynamics.shares.clone().requires_grad_()
    moved = _pushed(_map(dynamics.with_shares(shares)), theta, along)
    by_theta, by_shares = torch.autograd.grad(
        (moved * weights).sum(), [theta, shares], allow_unused=True, materialize_grads=True
    )
    return by_theta, by_shares.reshape(-1).numpy()


def _largest(dynamics: Dynamics, point: Tensor, resolvent: Resolvent) -> tuple[complex, np.ndarray, np.ndarray]:
    """The largest eigenvalue of ``B`` (of a round, where users move), with its left and right eigenvectors."""
    size = len(point)
    if size <= DENSE:
        matrix = dense(_map(dynamics), point, 256).numpy()
        values, right = np.linalg.eig(matrix)
        k = int(np.abs(values).argmax())
        others, left = np.linalg.eig(matrix.T)
        return complex(values[k]), np.conj(left[:, int(np.abs(others - values[k]).argmin())]), right[:, k]
    ends = []
    for transposed in (False, True):
        product = partial(_times, resolvent, transposed)
        operator = LinearOperator((size, size), matvec=product, dtype=np.float64)  # type: ignore[call-arg]
        ends.append(eigs(operator, k=1, which="LM", v0=np.ones(size)))
    (values, right), (others, left) = ends
    vector = left[:, 0] if np.isclose(others[0], values[0], rtol=1e-6) else np.conj(left[:, 0])
    return complex(values[0]), np.conj(vector), right[:, 0]


def _times(resolvent: Resolvent, transposed: bool, v: np.ndarray) -> np.ndarray:
    rows = torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64).reshape(1, -1))
    return resolvent.operator.times(rows, transposed)[0].numpy()


def _map(dynamics: Dynamics) -> Map:
    """The map whose radius says whether small disturbances fade."""
    return dynamics.played if dynamics.layout.minds else dynamics.retrained


def _pushed(function: Map, theta: Tensor, along: Tensor) -> Tensor:
    """``B v`` for rows ``v`` of ``along [n, size]``, differentiable by ``theta [1, size]`` and by shares."""
    wide = theta.expand(len(along), -1).clone()
    out = function(wide)
    weights = torch.zeros_like(out, requires_grad=True)
    (pulled,) = torch.autograd.grad(out, wide, weights, create_graph=True)
    return torch.autograd.grad(pulled, weights, along, create_graph=True)[0]
