"""Numbers of one law, distances of two, and what samples say of them.

What is said of laws is exact and differentiable: torch functions of their tensors, without steps in place. Samples are
``[n, *event]``; those of an integer type are symbols, of which two are the same where all their entries are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ecosystem.core.laws import Finite, Law, Moments, NoPopulationLaw, Normal
from ecosystem.core.products import congruent, row_product
from ecosystem.core.streams import Stream

SLICES = 64  # directions along which samples are compared
NEIGHBOUR = 3  # whose distance tells how densely samples lie
_SAME = 1e-9  # of its scale: a distance below it is one of rounding, and has no derivative


# -- of one law --------------------------------------------------------------------------------------------------------


def entropy_of(law: Law) -> Tensor:
    """``−Σ p log p`` of a finite law, ``d/2 · log 2πe + ½ log det Σ`` of a normal one, in nats, ``[*batch]``.

    Symbols of probability 0 count nothing, in derivatives too, which are those on the face of the simplex where the law
    lies. Cover & Thomas 2006, *Elements of Information Theory*, §2.1 and Theorem 8.4.1.
    """
    if isinstance(law, Finite):
        p = law.probabilities
        return -(p * torch.where(p > 0, p, 1.0).log()).sum(-1)
    if not isinstance(law, Normal):
        raise NoPopulationLaw("the entropy of a law that is known by two moments only")
    d = law.mean.shape[-1]
    volume = torch.linalg.slogdet(law.covariance)[1] / 2 if law.scale is None else d * law.scale.log()
    return volume + d / 2 * (1 + math.log(2 * math.pi))


def variance_of(law: Law) -> Tensor:
    """``tr Σ``, ``[*batch]``; of symbols that of their indicators, ``1 − Σ p²`` (the index of Gini and Simpson)."""
    return 1 - (law.probabilities**2).sum(-1) if isinstance(law, Finite) else law.trace


# -- of two laws -------------------------------------------------------------------------------------------------------


def distance_of(one: Law, other: Law) -> Tensor:
    """``½ Σ |p − q|`` (total variation) of finite laws, else the root of :func:`frechet_square`, ``[*batch]``.

    Where both laws are the same, up to rounding, there is a kink: the value is right, its derivative NaN.
    """
    if isinstance(one, Finite) and isinstance(other, Finite) and comparable(one, other):
        value = (one.probabilities - other.probabilities).abs().sum(-1) / 2
        return _kinked(value, value, value <= _SAME)
    if isinstance(one, Finite) or isinstance(other, Finite):
        raise ValueError(f"{_said(one)} and {_said(other)} have no distance")
    square, doubt = frechet_square(one, other)
    zero = square <= doubt
    root = torch.where(zero, 0.0, torch.where(zero, 1.0, square).sqrt())
    return _kinked(root, square, square <= 4 * doubt + _SAME**2 * (one.trace + other.trace))


def comparable(one: Law, other: Law) -> bool:
    """Whether two laws have a distance: both on equally many symbols, or both on vectors."""
    return _alphabet(one) == _alphabet(other)


def _alphabet(law: Law) -> int | None:
    return law.probabilities.shape[-1] if isinstance(law, Finite) else None


def _said(law: Law) -> str:
    size = _alphabet(law)
    return "a law on vectors" if size is None else f"a law on {size} symbols"


def frechet_square(one: Moments, other: Moments) -> tuple[Tensor, Tensor]:
    """``‖m₁ − m₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½)``, and what of it may be rounding, ``[*batch]`` each.

    The square of the 2-Wasserstein distance of normal laws (Dowson & Landau 1982); of other laws with these moments a
    lower bound on it (Gelbrich 1990), the Fréchet distance by which images are compared.
    """
    means = ((one.mean - other.mean) ** 2).sum(-1)
    eps = torch.finfo(means.dtype).eps
    doubt = (4 * eps) ** 2 * ((one.mean**2).sum(-1) + (other.mean**2).sum(-1))
    if isinstance(one, Normal) and isinstance(other, Normal) and one.scale is not None and other.scale is not None:
        d = one.mean.shape[-1]
        return means + d * (one.scale - other.scale) ** 2, doubt
    size = one.trace + other.trace
    batch = torch.broadcast_shapes(one.covariance.shape, other.covariance.shape)
    factor = _root(other.covariance).expand(batch)
    square = congruent(factor.mT, one.covariance.expand(batch))
    roots = torch.linalg.eigvalsh((square + square.mT) / 2)  # the eigenvalues of Σ₁Σ₂
    least = eps * roots.shape[-1] * roots.detach().amax(-1, keepdim=True)
    there = roots > least
    overlap = torch.where(there, torch.where(there, roots, 1.0).sqrt(), 0.0).sum(-1)
    # an eigenvalue is off by `least`, its root by `least/√λ`: much, where a law is flat
    flat = (least / torch.maximum(roots.detach(), least).clamp(min=torch.finfo(roots.dtype).tiny).sqrt()).sum(-1)
    return means + size - 2 * overlap, doubt + 4 * factor.shape[-1] * eps * size + 2 * flat


def _root(covariance: Tensor) -> Tensor:
    """``F`` with ``F Fᵀ = Σ``: Cholesky's where it exists, for its derivative."""
    factor, info = torch.linalg.cholesky_ex(covariance)
    if not bool((info != 0).any()):
        return factor
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt().unsqueeze(-2)


def _kinked(value: Tensor, of: Tensor, kink: Tensor) -> Tensor:
    """The same value, a function ``of`` something, with NaN for its derivative at a kink."""
    steep = torch.where(kink, of - of.detach(), 1.0).sqrt()
    return value + 0 * torch.where(kink, steep, 0.0)


# -- of samples --------------------------------------------------------------------------------------------------------


def entropy_in(x: Tensor) -> Tensor:
    """An estimate of the entropy from samples ``[n, *event]``, in nats.

    Of symbols the entropy of their frequencies, too small by about ``(symbols − 1)/2n`` (Miller 1955). Of vectors, with
    ``ε`` the distance to the third neighbour, ``ψ(n) − ψ(3) + log c_d + d · mean log ε``, where ``c_d`` is the volume
    of the unit ball (Kozachenko & Leonenko 1987; Kraskov, Stögbauer, Grassberger 2004, eq. 20).
    """
    if not x.is_floating_point():
        return entropy_of(Finite(frequencies(x)))
    flat = _vectors(x)
    n, d = flat.shape
    if n <= NEIGHBOUR:
        return flat.new_full((), torch.nan)
    apart = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    near = apart.kthvalue(NEIGHBOUR + 1, dim=-1).values  # each is its own nearest
    ball = d / 2 * math.log(math.pi) - math.lgamma(d / 2 + 1)
    counts = torch.special.digamma(torch.tensor([n, NEIGHBOUR], dtype=torch.float64))
    return counts[0] - counts[1] + ball + d * near.log().mean()


def variance_in(x: Tensor) -> Tensor:
    """The unbiased estimate of :func:`variance_of` from samples ``[n, *event]``; NaN from one alone."""
    n = len(x)
    if n < 2:
        return torch.tensor(torch.nan, dtype=torch.float64)
    return _vectors(x).var(0).sum() if x.is_floating_point() else variance_of(Finite(frequencies(x))) * n / (n - 1)


def distance_in(x: Tensor, y: Tensor) -> Tensor:
    """Total variation of the frequencies of symbols, :func:`sliced` of vectors."""
    if x.is_floating_point() != y.is_floating_point() or x.shape[1:] != y.shape[1:]:
        raise ValueError(f"samples of shape {tuple(x.shape[1:])} and {tuple(y.shape[1:])} have no distance")
    if x.is_floating_point():
        return sliced(x, y)
    both = torch.cat([x, y]).reshape(len(x) + len(y), -1)
    _, which = torch.unique(both, dim=0, return_inverse=True)
    p, q = (torch.bincount(part, minlength=len(both)).double() / len(part) for part in which.split([len(x), len(y)]))
    return (p - q).abs().sum() / 2


def sliced(x: Tensor, y: Tensor) -> Tensor:
    """The sliced 2-Wasserstein distance of two samples ``[n, *event]`` of one size.

    The root of the mean, over 64 fixed directions ``θ``, of ``mean_i (⟨θ, x⟩₍ᵢ₎ − ⟨θ, y⟩₍ᵢ₎)²`` with both sides sorted
    (Bonneel, Rabin, Peyré, Pfister 2015). Samples of the same law lie about ``1/√n`` standard deviations apart.
    """
    first, second = _vectors(x), _vectors(y)
    lines = Stream.root([(0, 0)])[0].at("slices").normal(SLICES, first.shape[-1])
    lines = lines / lines.norm(dim=-1, keepdim=True)
    one, other = (row_product(part, lines).sort(0).values for part in (first, second))  # [n, slices]
    return (one - other).square().mean().sqrt()


def frequencies(x: Tensor) -> Tensor:
    """Of the different symbols among ``x [n, *event]``, ``[symbols]``."""
    return torch.unique(x.reshape(len(x), -1), dim=0, return_counts=True)[1].double() / len(x)


def _vectors(x: Tensor) -> Tensor:
    return x.detach().double().cpu().reshape(len(x), -1)
