"""What a base must be: a template that prints every prompt on every day, tokens with rows, a folder that is there."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from ecosystem import Stream
from ecosystem.generators.language import Base, LanguageModel, load_base, tiny_base
from ecosystem.generators.language.extra import needed

RNG = Stream.root([(0, 0)])[0]
PROMPTS = ["cat", "a rose", "which dog?", "sky"]
ANSWERS = ["the cat sat on the mat", "a red rose", "the dog ran home", "blue"]
FORM: dict[str, Any] = {"prompt_length": 12, "answer_length": 16, "rank": 4, "target_modules": "all-linear"}


def saved(folder: Path, template: str | None = None, pad: bool = False, more: tuple[str, ...] = ()) -> Base:
    """The tiny base as a folder, with a template, a pad token or others that its network does not know."""
    tiny = tiny_base(ANSWERS)
    tokenizer = type(tiny)(*tiny.arguments).tokenizer
    tokenizer.chat_template = template
    if pad:
        tokenizer.add_special_tokens({"pad_token": "<fill>"})
    tokenizer.add_tokens(list(more))
    tiny.on("cpu").save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load_base(folder)


def read(base: Base) -> tuple[str, ...]:
    return tuple(base.tokenizer.decode(part) for part in base.template)


# -- templates ---------------------------------------------------------------------------------------------------------


def test_a_date_is_always_the_same(tmp_path: Path) -> None:
    """Before, a template that prints the date made two runs of one seed differ from one day to the next."""
    base = saved(tmp_path, "{{ strftime_now('%d %b %Y') }}: {{ messages[0].content }} {{ strftime_now('%A') }}")
    with pytest.warns(UserWarning, match=r"the chat template of load_base\(.*\) prints the date; .* 26 July 2024"):
        assert read(base) == ("26 Jul 2024: ", " Friday")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ messages[0].content }} {{ messages[0].content }}", "prints a prompt 2 times"),
        ("hello", "leaves the prompt out"),
        ("{{ messages[0].content | upper }}", "does not print every prompt as it is"),
        ("{{ raise_exception('a system message first') }}", "fails on a single message (a system message first)"),
        ("{{ [1, 2, 3] | random }} {{ messages[0].content }}", "prints something else each time"),
        ("{{ strftime_now('%Y')[:2] }} {{ messages[0].content }}", "makes something of today's date"),
    ],
)
def test_templates_that_do_not_hold_a_prompt_are_refused(tmp_path: Path, template: str, why: str) -> None:
    """Before, a raw error of unpacking, or (of the last three) a prompt or runs that were others than said."""
    with pytest.raises(ValueError, match=rf"the chat template of load_base\(.*\) {re.escape(why)}; give another"):
        LanguageModel(saved(tmp_path, template), **FORM)


def test_another_template_takes_its_place(tmp_path: Path) -> None:
    saved(tmp_path, "hello")
    said = "<start>[{{ messages[0].role }}] {{ messages[0].content }}<end>bot: "
    assert read(load_base(tmp_path, chat_template=said)) == ("<start>[user] ", "<end>bot: ")
    none = load_base(tmp_path, chat_template="")
    assert read(none) == ("<start>", "\n") and pickle.loads(pickle.dumps(none)) is none
    with pytest.raises(TypeError, match=r"load_base\(chat_template\) is a text, or None, got 1"):
        load_base(tmp_path, chat_template=1)  # type: ignore[arg-type]


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_a_pad_token_needs_no_row(tmp_path: Path) -> None:
    """Before, `index out of range in self`, as soon as prompts of different lengths came."""
    base, tiny = saved(tmp_path, pad=True), tiny_base(ANSWERS)
    assert base.pad == base.on("cpu").get_input_embeddings().num_embeddings
    made, known = (LanguageModel(b, **FORM, temperature=0.0) for b in (base, tiny))
    told = [m.codec.pairs(PROMPTS, ANSWERS) for m in (made, known)]
    assert made.loss(told[0], RNG).item() == known.loss(told[1], RNG).item()
    said = [m.texts(p.answered(m.respond(p.inputs, RNG))) for m, p in zip((made, known), told, strict=True)]
    assert said[0] == said[1]
    assert made.fit(told[0], RNG) == known.fit(told[1], RNG)


def test_other_tokens_without_a_row_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"has 2 tokens without a row in the embeddings .* '<one>': there are 289; give"
    ):
        LanguageModel(saved(tmp_path, more=("<one>", "<two>")), **FORM)


# -- places ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["smolm2", "runs/nothing", "./nothing", "~/nothing"])
def test_a_misspelt_folder_is_refused_at_once(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, any name that could be one of the hub was asked there, for 46 seconds, when it was first used."""
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=rf"there is no folder '{re.escape(name)}' to load a base from; give 'smollm2'"
    ):
        load_base(name)


def test_a_hub_that_does_not_answer_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, asked = needed("huggingface_hub"), []

    def silent(self: Any, name: str, **settings: Any) -> None:
        asked.append(name)
        raise ConnectionError("Name or service\n not known")

    monkeypatch.setattr(hub.HfApi, "model_info", silent)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    base = type(load_base("some/model"))("some/model", torch.float32)
    with pytest.raises(
        OSError, match="no model can be read from 'some/model', a folder or a name of the hub: "
    ) as caught:
        LanguageModel(base)
    assert (
        asked == ["some/model"] and "\n" not in str(caught.value) and "Name or service not known" in str(caught.value)
    )
