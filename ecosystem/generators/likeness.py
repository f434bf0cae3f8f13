"""Whether two models are alike: of one form, and with the same of all but the numbers that training moves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ecosystem.core.identity import digest
from ecosystem.generators.base import GenerativeModel

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device)
_OWN = ("training_plan", "optimizer_state", "prompts")  # of each model; what plans do is compared step by step
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_TORCHS = vars(nn.Module()).keys() - {"training"}  # what torch keeps in every module


def alike(one: GenerativeModel, other: GenerativeModel) -> bool:
    """Whether two models differ in the numbers of their parameters and buffers alone, and nothing listens to them."""
    mine, others = list(one.named_modules()), list(other.named_modules())
    if [(name, type(m)) for name, m in mine] != [(name, type(m)) for name, m in others]:
        return False
    return all(_alike(a, b, a is one) for (_, a), (_, b) in zip(mine, others, strict=True))


def _alike(one: nn.Module, other: nn.Module, outermost: bool) -> bool:
    if any(getattr(m, hooks, None) for m in (one, other) for hooks in _HOOKS):
        return False
    for mine, others in ((one._parameters, other._parameters), (one._buffers, other._buffers)):
        if mine.keys() != others.keys() or not all(map(_like_tensors, mine.values(), others.values())):
            return False
    left = _attributes(one, outermost), _attributes(other, outermost)
    return left[0].keys() == left[1].keys() and all(same(value, left[1][name]) for name, value in left[0].items())


def _like_tensors(one: Tensor | None, other: Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    if one._backward_hooks or other._backward_hooks:
        return False
    what = [(x.shape, x.dtype, x.device, x.requires_grad) for x in (one, other)]
    return what[0] == what[1]


def _attributes(module: nn.Module, outermost: bool) -> dict[str, Any]:
    """What a module holds besides weights, parts and modes."""
    skip = (*_OWN, "training") if outermost else ("training",)
    return {k: v for k, v in vars(module).items() if k not in skip and k not in _TORCHS and not k.endswith("_hooks")}


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, as far as one can see."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, _PLAIN):
        return one == other
    if isinstance(one, Tensor):
        return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one.cpu(), other.cpu())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    try:
        return digest(one, whole=True) == digest(other, whole=True)
    except TypeError:
        return False
