"""What of a network is trained: LoRA adapters (Hu et al. 2021, 2106.09685) by peft, or every weight."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ecosystem.core.check import brief, one_line, real_number, whole_number
from ecosystem.generators.language.extra import needed


@dataclass(frozen=True)
class Lora:
    """The form of an adapter: a layer's weight ``W`` becomes ``W + (alpha / rank) B A``.

    ``A [rank, in]`` and ``B [out, rank]`` are trained, ``dropout`` falls on what reaches ``A``. ``targets`` are names
    of layers, or ``"all-linear"``; None is peft's choice for the architecture (queries and values of attention).
    """

    marker: ClassVar[str] = "adapter_config.json"  # what a folder has that holds one
    tied: ClassVar[bool] = False  # no weight of an adapter is another one's too

    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...] | str | None

    def __post_init__(self) -> None:
        whole_number(self.rank, "LanguageModel(rank)", 1)
        if not 0 < real_number(self.alpha) < math.inf:
            raise ValueError(f"LanguageModel(alpha) must be a positive number, got {brief(self.alpha)}")
        if not 0 <= real_number(self.dropout) < 1:
            raise ValueError(f"LanguageModel(dropout) must be at least 0 and below 1, got {brief(self.dropout)}")

    def slot(self, network: nn.Module) -> nn.Module:
        """The network (changed in place) with a slot for an adapter: ``functional_call`` puts a model's weights in."""
        try:
            return needed("peft").inject_adapter_in_model(self._config(network, self.targets), network)
        except ValueError as error:
            known = sorted(
                {name.rsplit(".", 1)[-1] for name, layer in network.named_modules() if hasattr(layer, "weight")}
            )
            raise ValueError(
                f"LanguageModel(target_modules={self.targets!r}) finds no layers: {one_line(error)}; its layers with "
                f"weights are {', '.join(known)}"
            ) from error

    def first(self, network: nn.Module, seed: int) -> dict[str, Tensor]:
        """Weights for the slot: ``A`` uniform in ``±1/√in``, ``B`` zero, so that the base speaks at first."""
        rng = torch.Generator().manual_seed(seed)
        weights = {}
        for name, slot in network.named_parameters():
            if ".lora_A." in name:
                weights[name] = (2 * torch.rand(slot.shape, generator=rng) - 1) / math.sqrt(slot.shape[1])
            elif ".lora_B." in name:
                weights[name] = torch.zeros(slot.shape)
        return weights

    def write(self, folder: Path, network: nn.Module, weights: Mapping[str, Tensor], base: str, words: Any) -> None:
        """Write weights, by the names of their slots, as an adapter of peft for the network called ``base``."""
        save_file = needed("safetensors.torch").save_file
        layers = sorted({name.split(".lora_")[0] for name in weights})
        config = self._config(network, layers, base_model_name_or_path=base, inference_mode=True)
        config.save_pretrained(folder)
        named = {f"base_model.model.{name.replace('.default.', '.')}": x for name, x in weights.items()}
        tensors = {name: x.detach().cpu().contiguous() for name, x in named.items()}
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})

    def _config(self, network: nn.Module, targets: Iterable[str] | str | None, **more: Any) -> Any:
        """An adapter of this form in peft's words."""
        layers = needed("transformers").pytorch_utils
        return needed("peft").LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=targets if targets is None or isinstance(targets, str) else list(targets),
            fan_in_fan_out=any(isinstance(module, layers.Conv1D) for module in network.modules()),
            task_type="CAUSAL_LM",
            **more,
        )


@dataclass(frozen=True)
class Full:
    """Every weight of the network is trained, and no more than that: full fine-tuning."""

    marker: ClassVar[str] = "config.json"
    tied: ClassVar[bool] = True  # embeddings are often the head as well

    def slot(self, network: nn.Module) -> nn.Module:
        """The network as it is: ``functional_call`` puts a model's weights in the place of its own."""
        return network

    def first(self, network: nn.Module, seed: int) -> dict[str, Tensor]:
        """The weights that the network has, in float32."""
        return {name: weight.detach().clone().float() for name, weight in network.named_parameters()}

    def write(self, folder: Path, network: nn.Module, weights: Mapping[str, Tensor], base: str, words: Any) -> None:
        """Write weights as a model of transformers, ``AutoModelForCausalLM.from_pretrained(folder)``, and its words."""
        full: Any = copy.deepcopy(network).cpu().float()
        full.load_state_dict({name: x.detach().cpu() for name, x in weights.items()}, strict=False)  # no tied names
        full.save_pretrained(folder)
        words.save_pretrained(folder)
