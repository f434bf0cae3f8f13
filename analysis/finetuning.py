"""Does it matter to who harms whom whether models train adapters or all of their weights?

Herald and Poet of ``scenarios/language_tiny.py``, once as LoRA adapters of rank 4 and once with every weight trained.
Poet's users choose what Herald reads of Poet, the longest of four answers, or nobody does; Herald's users never choose.
Shown is what their choosing does to both alignments after the rounds, replicate by replicate with the same random
numbers, with 95 % intervals (Student's t).

It does not: of 12 replicates Poet's users' choosing makes Herald, whose users like few words, wordier by 1.28 words an
answer with adapters (.93 to 1.63) and by 1.74 with all weights (1.29 to 2.20), so it harms Herald either way; Poet
gains .52 (.10 to .94) and .29 (−.07 to .64, which is not resolved).

    .venv/bin/python analysis/finetuning.py            # two minutes of one core
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from scipy import stats

from scenarios.language_tiny import scenario

TUNING = {"adapters (LoRA, rank 4)": 4, "all weights": None}
COLUMNS = ["trained", "member", "nobody chooses", "Poet's users choose", "effect", "low", "high"]


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--replicates", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--warm-up", type=int, default=150, help="steps by which sentences are learnt by heart")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the table")
    asked = parser.parse_args(argv)
    rows = []
    for trained, rank in TUNING.items():
        without, chosen = (ends(rank, who, asked.replicates, asked.rounds, asked.warm_up) for who in ((), ("Poet",)))
        for name in chosen:
            effect = chosen[name] - without[name]
            sure = stats.ttest_1samp(effect, 0).confidence_interval()
            means = without[name].mean(), chosen[name].mean(), effect.mean()
            rows.append((trained, name, *means, sure.low, sure.high))
            print(*rows[-1], flush=True)
    table = pd.DataFrame(rows, columns=COLUMNS)
    print(table.to_string(index=False, float_format="%.3f"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "finetuning.csv", index=False, float_format="%.6g")
    return table


def ends(rank: int | None, chosen: tuple[str, ...], replicates: int, rounds: int, warm_up: int) -> pd.DataFrame:
    """Alignments after the last round, a row a replicate and a column a member."""
    run = scenario(rounds=rounds, warm_up=warm_up, cross=0.7, rank=rank, chosen=chosen).run(replicates=replicates)
    last = run.rounds[run.rounds["round"] == rounds]
    return last.pivot(index="replicate", columns="member", values="alignment")


if __name__ == "__main__":
    main()
