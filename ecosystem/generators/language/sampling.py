"""The choice of the next token from a model's logits."""

from __future__ import annotations

import torch
from torch import Tensor


def chosen(logits: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """Tokens ``[n]`` from ``logits [n, V]`` and one uniform number each, by the inverse of the distribution function.

    Temperature 0 is the most probable token.
    """
    if temperature == 0:
        return logits.argmax(-1)
    kept = nucleus(torch.softmax(logits.double() / temperature, -1), top_p)
    upto = running(kept)
    target = uniform.clamp(max=1 - 1e-12).unsqueeze(-1) * upto[:, -1:]  # below the whole, whatever rounding does
    return torch.searchsorted(upto, target, right=True).squeeze(-1)


def nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """``probabilities [n, V]`` with all zero but the fewest likeliest tokens that have ``top_p`` together.

    (Holtzman et al. 2019, 1904.09751; equal ones in the order of the vocabulary; not normalised.)

    >>> nucleus(torch.tensor([[0.1, 0.5, 0.15, 0.25]]), 0.75)
    tensor([[0.0000, 0.5000, 0.0000, 0.2500]])
    """
    if top_p >= 1:
        return probabilities
    ordered, token = probabilities.sort(stable=True, dim=-1, descending=True)
    before = running(ordered) - ordered
    return torch.zeros_like(probabilities).scatter(-1, token, ordered * (before < top_p))


def running(x: Tensor) -> Tensor:
    """Running sums; where only reproducible algorithms are allowed on the CPU, since torch has none on CUDA."""
    apart = x.is_cuda and torch.are_deterministic_algorithms_enabled()
    return x.cpu().cumsum(-1).to(x.device) if apart else x.cumsum(-1)
