"""Runs made up for the tests of reports on real generators: colour images with labels, choices, sources, texts."""

import numpy as np
import pandas as pd
import synthetic_runs as made
import torch

from ecosystem.running.run import Run

QUANTILES = np.linspace(0, 1, 21)
HUES = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]])  # of the labels 0..5


def choices(rows: dict[tuple[str, str], tuple[float, float]], rounds: list[int], replicates: int = 2) -> pd.DataFrame:
    """The table `choices`: rewards before are uniform on 0..1 (0.1 more in each replicate), choice adds so much.

    `rows` gives what it adds in the first and in the last of `rounds`; in between it changes evenly.
    """
    tables = []
    for (source, target), (first, last) in rows.items():
        for replicate in range(replicates):
            for at, lift in zip(rounds, np.linspace(first, last, len(rounds)), strict=True):
                before = QUANTILES + 0.1 * replicate
                place = {"seed": 0, "replicate": replicate, "round": at, "source": source, "target": target}
                tables.append(pd.DataFrame({**place, "quantile": QUANTILES, "before": before, "after": before + lift}))
    return pd.concat(tables, ignore_index=True)


def sources(
    rows: dict[tuple[str, str, bool], float], rounds: list[int], replicates: int = 2, count: int = 20
) -> pd.DataFrame:
    """The table `sources`: parts (member, source, curated) with their mean reward; 0.01 more every round."""
    keys = [(r, at, part) for part in rows for r in range(replicates) for at in rounds]
    columns = {
        "seed": 0,
        "replicate": [replicate for replicate, *_ in keys],
        "round": [at for _, at, _ in keys],
        "member": [part[0] for *_, part in keys],
        "source": [part[1] for *_, part in keys],
        "curated": [part[2] for *_, part in keys],
        "born": [at for _, at, _ in keys],
        "count": count,
        "reward": [rows[part] + 0.01 * at for _, at, part in keys],
        "deviation": 0.1,
    }
    return pd.DataFrame(columns)


def painters(replicates: int = 2, last: int = 20) -> Run:
    """Two members that paint squares `[3, 8, 8]` in the hue of their label; each round in an order of its own."""
    names, kept = ["warm", "cool"], (0, last // 2, last)
    rng = torch.Generator().manual_seed(0)
    inputs = {name: {at: torch.randint(0, len(HUES), (40,), generator=rng) for at in kept} for name in names}
    samples = {
        name: {
            at: HUES[labels].reshape(-1, 3, 1, 1) * torch.linspace(0.4, 1, 8).expand(8, 8)
            for at, labels in rounds.items()
        }
        for name, rounds in inputs.items()
    }
    flows = made.flows([("warm", "warm", 0.0, 0.1), ("cool", "warm", 0.1, 0.4), ("warm", "cool", 0.0, 0.3)])
    run = made.make(
        made.settings("painters", last, replicates),
        made.members(names, "3x8x8", reward=["warm hues", "cool hues"], real=[0.4, 0.7], curation=[0.5, 0.3]),
        flows.assign(chosen_by=["producer", "producer", "consumer"]),
        made.rounds({"warm": 0.4, "cool": -0.1}, last, replicates),
        samples=samples,
        inputs=inputs,
    )
    every = list(range(1, last + 1))
    lifts = {("warm", "warm"): (0.2, 0.05), ("cool", "warm"): (0.3, 0.1), ("warm", "cool"): (-0.1, 0.0)}
    parts = {("warm", "real", False): 0.2, ("warm", "cool", False): 0.1, ("warm", "cool", True): 0.15}
    parts |= {("warm", "warm", True): 0.4, ("cool", "real", False): 0.3, ("cool", "warm", True): 0.1}
    made.put(run, choices=choices(lifts, every, replicates), sources=sources(parts, every, replicates))
    return run


PROMPT = "Summarise the article in one sentence: "
ARTICLES = [
    "Heavy rain closed the harbour road for a second day, and the council said that the wall would be looked at again.",
    "The museum found a letter behind a frame.\n\nIt is signed <i>A.</i>; nobody knows whose. " + "More. " * 60,
    "A goat was elected mayor <b>again</b> & the opposition wants a recount.",
    "Bread is dearer than last year.",
    "This one is asked only at the end.",
]


def writers() -> Run:
    """A member that summarises articles, asked the same at every round, and one that paraphrases, asked others."""
    names = ["summary", "paraphrase"]
    answers = {
        0: ["It rained.", "A letter was found. " * 30, "<script>alert('mayor')</script>", "Bread costs more."],
        6: ["Rain closed a road.", "A letter.", "A goat & a vote.", ""],
        13: ["Rain, rain, rain.", "A letter, a frame.", "A goat won.", "Bread.", "At last."],
    }
    rows = [
        (0, replicate, at, "summary", PROMPT + article, f"{answer}" if replicate == 0 else "of another replicate")
        for replicate in (0, 1)
        for at, said in answers.items()
        for article, answer in zip(ARTICLES, said, strict=False)
    ]
    rows += [(0, 0, at, "paraphrase", f"Say {at} otherwise.", f"In other words, {at}.") for at in range(0, 14, 3)]
    rows += [(0, 1, at, "paraphrase", "Say 0 otherwise.", "of another replicate") for at in range(0, 14, 3)]
    run = made.make(
        made.settings("writers", 13, 2),
        made.members(names, "32", generator="LanguageModel", reward=["summaries", "paraphrases"]),
        made.flows([("summary", "paraphrase", 0.3, 0.3), ("paraphrase", "summary", 0.3, 0.3)]),
        made.rounds({"summary": 0.2, "paraphrase": 0.1}, 13, 2),
        samples={name: {0: torch.zeros(16, 32, dtype=torch.int64)} for name in names},
    )
    columns = ["seed", "replicate", "round", "member", "input", "output"]
    made.put(run, texts=pd.DataFrame(rows, columns=columns))
    return run
