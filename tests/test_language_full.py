"""Full fine-tuning: every weight of the network is trained, in a copy of its own."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")
pytest.importorskip("peft")

from ecosystem import Stream, Training
from ecosystem.generators.language import LanguageModel, load_base, tiny_base

RNG = Stream.root([(0, 0)])[0]
PROMPTS = ["cat", "a rose", "which dog?", "sky"]
ANSWERS = ["the cat sat on the mat", "a red rose", "the dog ran home", "blue"]


def model(base: Any = None, **settings: Any) -> LanguageModel:
    plan = Training(60, 16, partial(torch.optim.AdamW, lr=3e-3))
    given = {"prompt_length": 12, "answer_length": 16, "training_plan": plan, "temperature": 0.0} | settings
    return LanguageModel(base or tiny_base(ANSWERS), **({"rank": None} | given))


def weights(made: LanguageModel) -> dict[str, torch.Tensor]:
    return {name.replace("-", "."): weight for name, weight in made.adapter.items()}


def test_it_has_the_weights_of_the_base_and_speaks_as_it() -> None:
    made, adapter = model(), model(rank=2)  # whose adapter does nothing yet
    own = dict(made.base.on("cpu").named_parameters())
    assert weights(made).keys() == own.keys()
    assert all(torch.equal(weight, own[name]) for name, weight in weights(made).items())
    prompts = made.codec.prompts(PROMPTS)
    assert torch.equal(made.respond(prompts, RNG), adapter.respond(prompts, RNG))


def test_gradients_are_those_of_the_network_whose_head_is_its_embedding() -> None:
    made = model().eval()
    pairs = made.codec.pairs(PROMPTS, ANSWERS)
    loss = made.loss(pairs, RNG)
    loss.backward()
    network: Any = copy.deepcopy(made.base.on("cpu")).requires_grad_(True)
    assert network.lm_head.weight is network.get_input_embeddings().weight
    total, count = torch.zeros(()), 0
    for prompt, answer in zip(PROMPTS, ANSWERS, strict=True):  # one by one, without any padding
        before, after = made.base.template
        words = before + made.base.tokenizer(prompt)["input_ids"] + after
        said = [*made.base.tokenizer(answer)["input_ids"], made.base.eos]
        logits = network(torch.tensor([words + said])).logits[0, len(words) - 1 : -1, : made.base.vocabulary]
        total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(said), reduction="sum")
        count += len(said)
    assert loss.item() == pytest.approx(total.item() / count, rel=1e-5)
    (total / count).backward()
    for name, weight in network.named_parameters():
        torch.testing.assert_close(weights(made)[name].grad, weight.grad, rtol=1e-3, atol=1e-6)


def test_it_learns_by_heart_and_leaves_the_base_and_others_alone() -> None:
    made, other = model(), model()
    before = [p.clone() for p in made.base.on("cpu").parameters()]
    made.fit(made.codec.pairs(PROMPTS, ANSWERS), RNG)
    assert [text for _, text in made.texts(made.codec.pairs(PROMPTS, ANSWERS))] == ANSWERS
    answers = made.respond(made.codec.prompts(PROMPTS), RNG)
    assert torch.equal(answers, made.codec.pairs(PROMPTS, ANSWERS).outputs)
    assert all(torch.equal(a, b) for a, b in zip(before, made.base.on("cpu").parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), model().parameters(), strict=True))


def test_it_is_saved_as_a_model_that_others_read(tmp_path: Path) -> None:
    made = model()
    with torch.no_grad():
        made.adapter["transformer-wte-weight"].mul_(-1.5)
    folder = made.save_pretrained(tmp_path / "full")
    base = load_base(folder)
    again = model(base)
    for name, weight in weights(made).items():
        assert torch.equal(weights(again)[name], weight), name
    prompts = made.codec.prompts(PROMPTS)
    assert torch.equal(again.respond(prompts, RNG), made.respond(prompts, RNG))
    made.save_pretrained(folder, overwrite=True)
    model(rank=2).save_pretrained(tmp_path / "adapter")
    with pytest.raises(FileExistsError, match="holds no such model"):
        made.save_pretrained(tmp_path / "adapter", overwrite=True)


def test_a_rank_is_a_number_or_none() -> None:
    with pytest.raises(ValueError, match="rank"):
        model(rank=0)
