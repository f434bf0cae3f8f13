"""The language scenarios of the gallery: two small models that tell their docstring's story, and the experiment's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ecosystem import Ecosystem, Pairs, Record, Scenario
from ecosystem.data import read_pairs
from ecosystem.generators.language import LanguageModel
from ecosystem.rewards import paraphrase_reward, summary_reward
from scenarios import language_tiny
from scenarios import summarise_paraphrase as experiment

SMALL: dict[str, Any] = {
    "base": "tiny",
    "rounds": 1,
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


def test_the_experiment_runs() -> None:
    """Half of each diet is real, half comes from the other: then prompts of both trades come; users ask their own."""
    s = experiment.scenario(**SMALL)
    eco = Ecosystem(s, record=Record(judged=4, samples=3, tastes=True, sources=True, choices=True))
    eco.run()
    run = eco.result()
    assert run.failures.empty and run.rounds["alignment"].between(0, 1).all()
    assert run.rounds.query("round == 1")["loss"].gt(0).all() and len(run.tastes) == 8
    assert s.curation("theta") == s.curation("phi") == 0.5
    for name, own in (("theta", experiment.SUMMARISE), ("phi", experiment.PARAPHRASE)):
        model = eco[name].generator
        learnt = model.texts(Pairs(model.prompts, model.prompts))
        assert {text.startswith(own) for text, _ in learnt} == {True, False}
        assert run.texts[run.texts["member"] == name]["input"].str.startswith(own).all() and len(run.texts) == 12


def test_shares_are_arguments() -> None:
    s = experiment.scenario(**SMALL, real=0.2, cross=0.3)
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
