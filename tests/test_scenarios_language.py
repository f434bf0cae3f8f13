"""The language scenarios of the gallery: two small models that tell their docstring's story, and the experiment's."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import finetuning
from ecosystem import Ecosystem, Pairs, Record, Scenario, Stream
from ecosystem.data import read_pairs
from ecosystem.generators.language import LanguageModel
from ecosystem.rewards import paraphrase_reward, summary_reward
from scenarios import language_tiny
from scenarios import summarise_paraphrase as experiment

SMALL: dict[str, Any] = {
    "base": "tiny",
    "rounds": 1,
    "pretraining": 1,
    "samples": 6,
    "steps": 1,
    "limit": 8,
    "candidates": 2,
    "batch_size": 4,
    "answer_length": 48,
}


def words(scenario: Scenario) -> dict[str, list[float]]:
    """The mean number of words of an answer after each round."""
    run = scenario.run(seed=0, record=Record(judged=128))
    assert run.failures.empty
    table = run.rounds.pivot_table(index="round", columns="member", values="alignment", observed=True)
    return {"Herald": (-table["Herald"]).tolist(), "Poet": table["Poet"].tolist()}


def test_those_who_train_on_each_other_lose_their_taste() -> None:
    said = words(language_tiny.scenario(rounds=2))
    assert said["Herald"][0] < 1.7 and said["Herald"][2] > 2.2
    assert said["Poet"][0] > 5.5 and said["Poet"][2] < 4


def test_those_who_train_on_themselves_keep_it() -> None:
    said = words(language_tiny.scenario(rounds=2, cross=0.0))
    assert said["Herald"] == pytest.approx([1.6] * 3, abs=0.25) and said["Poet"] == pytest.approx([6.2] * 3, abs=0.4)


def test_every_sentence_fits() -> None:
    """Nothing is cut (that would be a warning), and what is learnt by heart is said."""
    s = language_tiny.scenario(rounds=1)
    for name, told in language_tiny.SAYS.items():
        member = s.member(name)
        assert isinstance(member.generator, LanguageModel)
        assert member.generator.texts(member.real) == list(told.items())
    assert s.member("Herald").generator.base is s.member("Poet").generator.base  # type: ignore[attr-defined]


def texts_of(s: Scenario, name: str) -> list[str]:
    """What the real prompts of a member are about."""
    member: Any = s.member(name)
    return [experiment.content(prompt) for prompt, _ in member.generator.texts(member.real)]


def test_the_experiment_runs() -> None:
    """All of a diet is the other's; a consumer learns it under its own instruction, and users ask their own trade."""
    s = experiment.scenario(**SMALL)
    eco = Ecosystem(s, record=Record(judged=4, samples=3, tastes=True, sources=True, choices=True))
    eco.run()
    run = eco.result()
    assert run.failures.empty and run.rounds["alignment"].between(0, 1).all()
    assert run.rounds.query("round == 1")["loss"].gt(0).all() and len(run.tastes) == 8
    assert s.curation("theta") == s.curation("phi") == pytest.approx(0.2)
    told = {name: texts_of(s, name) for name in experiment.OTHER}
    for name, other in experiment.OTHER.items():
        model = eco[name].generator
        learnt = [text for text, _ in model.texts(Pairs(model.prompts, model.prompts))]
        assert all(text.startswith(experiment.INSTRUCTIONS[name]) for text in learnt)
        theirs = set(told[other])
        assert len(set(learnt)) == 6 and {experiment.content(text) for text in learnt} <= theirs  # each asked once
        assert run.texts[run.texts["member"] == name]["input"].str.startswith(experiment.INSTRUCTIONS[name]).all()


def test_without_an_instruction_of_one_s_own_prompts_of_both_trades_come() -> None:
    eco = Ecosystem(experiment.scenario(**SMALL, real=0.5, cross=0.5, own_instruction=False))
    eco.run()
    for name in experiment.OTHER:
        model = eco[name].generator
        learnt = [text for text, _ in model.texts(Pairs(model.prompts, model.prompts))]
        assert {text.startswith(experiment.INSTRUCTIONS[name]) for text in learnt} == {True, False}


def test_the_likeliest_answers_are_judged_on_both_trades() -> None:
    """In every round the same texts, under the own instruction; by hand for one member."""
    s = experiment.scenario(**SMALL)
    eco = Ecosystem(s, record=Record(judged=2, measures=[experiment.greedy]))
    eco.run()
    table = eco.result().greedy
    assert len(table) == 2 * 2 * 2 and table["reward"].between(0, 1).all()
    start = table.query("round == 0 and member == 'phi' and task == 'cross'")["reward"].item()
    model: Any = copy.deepcopy(s.member("phi").generator)
    model.temperature = 0.0
    texts = sorted(set(texts_of(s, "theta")))
    prompts = [experiment.PARAPHRASE + text for text in texts]
    answers = model.respond(model.codec.prompts(prompts), Stream.root([(5, 0)])[0])
    said = model.codec.texts(Pairs(answers, answers))
    worth = [min(max(paraphrase_reward(t, a), 0), 1) for t, (_, a) in zip(texts, said, strict=True)]
    assert min(worth) <= start <= max(worth)


def test_the_study_compares_nobody_with_a_fifth(tmp_path: Path) -> None:
    """Both points start from the same models, judged by the same noise."""
    results = experiment.study(seeds=1, **SMALL).run(tmp_path / "study", workers=0)
    table = results.with_parameters("greedy")
    start = table.query("round == 0").pivot(index=["member", "task"], columns="curated_of_cross", values="reward")
    assert (start[0.0] == start[0.2]).all() and len(start) == 4


def test_shares_are_arguments() -> None:
    s = experiment.scenario(**SMALL, real=0.2, cross=0.3, curated_of_cross=1.0)
    flows = s.describe()["flows"].set_index(["source", "target"])["curated"]
    assert flows.to_dict() == {
        ("phi", "theta"): 0.3,
        ("theta", "theta"): pytest.approx(0.5),
        ("theta", "phi"): 0.3,
        ("phi", "phi"): pytest.approx(0.5),
    }
    assert not experiment.scenario(**SMALL, real=1.0, cross=0.0).graph.edges


def test_instructions_are_not_judged() -> None:
    document, source = "the cat sat on the mat and slept", "It's the end of a long day."
    told = experiment.good_summary(experiment.SUMMARISE + document, "the cat slept")
    assert (
        told
        == summary_reward(document, "the cat slept")
        != summary_reward(experiment.SUMMARISE + document, "the cat slept")
    )
    said = experiment.good_paraphrase(experiment.PARAPHRASE + source, "A long day ends.")
    assert said == paraphrase_reward(source, "A long day ends.")


def test_the_articles_are_what_is_said_of_them() -> None:
    told = read_pairs(Path(experiment.DATA) / "articles.jsonl", "document", "summary")
    assert len(told) == len({document for document, _ in told}) == 24
    assert all(60 <= len(document.split()) <= 120 and document.count(".") >= 4 for document, _ in told)
    assert all(summary.count(".") == 1 and len(summary.split()) <= 20 for _, summary in told)


def test_adapters_and_all_weights_are_compared_replicate_by_replicate(tmp_path: Path) -> None:
    asked = ["--replicates", "2", "--rounds", "1", "--warm-up", "20", "--out", str(tmp_path)]
    table = finetuning.main(asked).set_index(["trained", "member"])
    assert len(table) == 4 and (table["low"] <= table["effect"]).all() and (table["effect"] <= table["high"]).all()
    for trained, rank in finetuning.TUNING.items():
        ends = [
            language_tiny.scenario(rounds=1, warm_up=20, rank=rank, chosen=chosen).run(replicates=2).rounds
            for chosen in ((), ("Poet",))
        ]
        without, chosen = (end[end["round"] == 1].groupby("member")["alignment"].mean() for end in ends)
        for name in ("Herald", "Poet"):
            assert table.at[(trained, name), "effect"] == pytest.approx(chosen[name] - without[name])
    assert len(pd.read_csv(tmp_path / "finetuning.csv")) == 4
