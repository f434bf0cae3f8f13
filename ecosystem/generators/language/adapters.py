"""LoRA adapters (Hu et al. 2021, 2106.09685) by peft: their form, and a network with a slot for one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ecosystem.core.check import brief, whole_number
from ecosystem.generators.language.extra import needed


@dataclass(frozen=True)
class Lora:
    """The form of an adapter: a layer's weight ``W`` becomes ``W + (alpha / rank) B A``.

    ``A [rank, in]`` and ``B [out, rank]`` are trained, ``dropout`` falls on what reaches ``A``. ``targets`` are names
    of layers, or ``"all-linear"``; None is peft's choice for the architecture (queries and values of attention).
    """

    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...] | str | None

    def __post_init__(self) -> None:
        whole_number(self.rank, "LanguageModel(rank)", 1)
        if not 0 < self.alpha < math.inf:
            raise ValueError(f"LanguageModel(alpha) must be a positive number, got {brief(self.alpha)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"LanguageModel(dropout) must be at least 0 and below 1, got {brief(self.dropout)}")


def with_slot(network: nn.Module, lora: Lora) -> nn.Module:
    """The network (changed in place) with a slot for an adapter: ``functional_call`` puts a model's weights in."""
    try:
        return needed("peft").inject_adapter_in_model(_config(network, lora, lora.targets), network)
    except ValueError as error:
        known = sorted({name.rsplit(".", 1)[-1] for name, layer in network.named_modules() if hasattr(layer, "weight")})
        raise ValueError(
            f"LanguageModel(target_modules={lora.targets!r}) finds no layers: {error}; its layers with weights are "
            f"{', '.join(known)}"
        ) from error


def _config(network: nn.Module, lora: Lora, targets: Iterable[str] | str | None, **more: Any) -> Any:
    """An adapter of this form in peft's words."""
    layers = needed("transformers").pytorch_utils
    return needed("peft").LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets if targets is None or isinstance(targets, str) else list(targets),
        fan_in_fan_out=any(isinstance(module, layers.Conv1D) for module in network.modules()),
        task_type="CAUSAL_LM",
        **more,
    )


def write_adapter(folder: Path, network: nn.Module, lora: Lora, weights: Mapping[str, Tensor], base: str) -> None:
    """Write weights, by the names of their slots, as an adapter of peft for the ``network`` that is called ``base``."""
    save_file = needed("safetensors.torch").save_file
    layers = sorted({name.split(".lora_")[0] for name in weights})
    config = _config(network, lora, layers, base_model_name_or_path=base, inference_mode=True)
    config.save_pretrained(folder)
    named = {f"base_model.model.{name.replace('.default.', '.')}": x for name, x in weights.items()}
    tensors = {name: x.detach().cpu().contiguous() for name, x in named.items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def first_weights(network: nn.Module, seed: int) -> dict[str, Tensor]:
    """Weights for the slot of a network: ``A`` uniform in ``±1/√in``, ``B`` zero, so that the base speaks at first."""
    rng = torch.Generator().manual_seed(seed)
    weights = {}
    for name, slot in network.named_parameters():
        if ".lora_A." in name:
            weights[name] = (2 * torch.rand(slot.shape, generator=rng) - 1) / math.sqrt(slot.shape[1])
        elif ".lora_B." in name:
            weights[name] = torch.zeros(slot.shape)
    return weights
