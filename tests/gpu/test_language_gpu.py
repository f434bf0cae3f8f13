"""Language models on a GPU: training and sampling, mixed precision, what comes back, and rounds of the experiment."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from ecosystem import Ecosystem, Pairs, Record, Stream, Training
from ecosystem.generators.language import LanguageModel, load_base, smollm2, tiny_base
from scenarios import language_tiny, summarise_paraphrase

RNG = Stream.root([(0, 0)])[0]
PROMPTS, ANSWERS = ["cat", "a rose", "which dog?"], ["the cat sat on the mat", "a red rose", "the dog ran home"]


def model(device: str = "cuda", **settings: Any) -> LanguageModel:
    plan = Training(120, 16, partial(torch.optim.AdamW, lr=5e-3), precision=settings.get("precision"))
    form = {"prompt_length": 12, "answer_length": 16, "rank": 4, "alpha": 8, "target_modules": "all-linear"}
    return LanguageModel(tiny_base(ANSWERS), **(form | {"training_plan": plan, "device": device} | settings))


def smol(dtype: torch.dtype = torch.float32) -> Any:
    try:
        smollm2.packaged()
    except ImportError as error:
        pytest.skip(str(error))
    return load_base("smollm2", dtype)


@pytest.mark.parametrize("precision", [None, torch.bfloat16], ids=["float32", "bfloat16"])
def test_fine_tuning_teaches_on_the_gpu(precision: torch.dtype | None) -> None:
    made = model(precision=precision, temperature=0.5, dropout=0.0)
    assert made.device.type == "cuda" and {p.dtype for p in made.parameters()} == {torch.float32}
    pairs = made.codec.pairs(PROMPTS, ANSWERS)
    loss = made.fit(pairs, RNG)
    answers = made.respond(pairs.inputs, RNG)
    assert loss is not None and loss < 0.2 and answers.device.type == "cpu" and answers.dtype == torch.int64
    assert made.texts(Pairs(pairs.inputs, answers)) == list(zip(PROMPTS, ANSWERS, strict=True))


def test_the_gpu_has_one_base_too() -> None:
    made = model()
    moved = model("cpu").to("cuda")
    assert made.base.on("cuda") is made.base.on("cuda:0") is not made.base.on("cpu")
    assert moved.base.adapted(moved.device, moved.tuning) is made.base.adapted("cuda", made.tuning)
    pairs = made.codec.pairs(PROMPTS, ANSWERS)
    torch.testing.assert_close(moved.eval().loss(_there(pairs), RNG), made.eval().loss(_there(pairs), RNG))


def test_the_gpu_computes_what_the_cpu_computes() -> None:
    here, there = model("cpu", dropout=0.0), model("cuda", dropout=0.0)
    pairs = here.codec.pairs(PROMPTS, ANSWERS)
    here.fit(pairs, RNG)
    there.load_state_dict(here.state_dict())
    loss = there.loss(_there(pairs), RNG).cpu()
    torch.testing.assert_close(loss, here.loss(pairs, RNG), rtol=1e-2, atol=1e-3)  # TF32
    same = here.respond(pairs.inputs, RNG) == there.respond(pairs.inputs, RNG)
    assert same.double().mean() > 0.9  # a choice may fall the other way where its number lies on a border


@pytest.mark.usefixtures("deterministic")
def test_equal_trainings_give_equal_models() -> None:
    """Dropout and choices have addresses: the second run draws what the first drew."""

    def trained() -> tuple[torch.Tensor, torch.Tensor]:
        made = model(dropout=0.3, top_p=0.9)
        pairs = made.codec.pairs(PROMPTS, ANSWERS)
        made.fit(pairs, RNG)
        return nn.utils.parameters_to_vector(made.parameters()).detach().cpu(), made.respond(pairs.inputs, RNG)

    torch.cuda.manual_seed(1)
    (weights, answers), state = trained(), torch.cuda.get_rng_state()
    torch.cuda.manual_seed(2)
    again, answers_again = trained()
    assert torch.equal(weights, again) and torch.equal(answers, answers_again)
    torch.cuda.manual_seed(1)
    assert torch.equal(torch.cuda.get_rng_state(), state)  # and leaves the global generator alone


def test_rounds_of_two_small_models() -> None:
    """Of 16 replicates on a CPU Herald's alignment moved by -.73 in two rounds (deviation .57), Poet's by -3.3 (.67).

    The bounds are almost four standard errors of a mean of 16 away from these, and one replicate alone proves little.
    """
    run = language_tiny.scenario(rounds=2, device="cuda").run(replicates=16, seed=0, record=Record(judged=64))
    assert run.failures.empty
    table = run.rounds.pivot_table(index="replicate", columns=["member", "round"], values="alignment", observed=True)
    moved = {name: float((table[name, 2] - table[name, 0]).mean()) for name in ("Herald", "Poet")}
    assert moved["Herald"] < -0.2 and moved["Poet"] < -2.7


@pytest.mark.parametrize("mixed", [False, True], ids=["float32", "bfloat16"])
def test_a_round_of_the_experiment(mixed: bool) -> None:
    base = smol(torch.bfloat16 if mixed else torch.float32)
    sizes: dict[str, Any] = {"rounds": 1, "samples": 64, "steps": 8, "limit": 24, "batch_size": 8, "sampling_batch": 64}
    s = summarise_paraphrase.scenario(**sizes, base=base, mixed=mixed, device="cuda")
    eco = Ecosystem(s, record=Record(judged=32, samples=4, tastes=True))
    eco.run()
    run = eco.result()
    assert run.failures.empty and run.rounds["alignment"].between(0.05, 1).all()
    assert run.rounds.query("round == 1")["loss"].between(0.1, 10).all() and len(run.texts) == 16
    assert run.rounds.query("round == 1")["change"].gt(0).all()


def _there(pairs: Pairs) -> Pairs:
    return Pairs(pairs.inputs.cuda(), pairs.outputs.cuda())
