"""What becomes of the claims of the literature when its systems are played by one engine?

Each row of the table is a claim with a number in it: what its authors say, what comes out here, and a verdict that
follows from the two. Numbers of populations are exact and must agree within a millionth; numbers of samples come with
a 99 % interval over replicates, in which the claimed one must lie. Where a claim is refuted, its row is the
counterexample.

    .venv/bin/python analysis/literature.py              # half a minute
    .venv/bin/python analysis/literature.py 2404.01413   # one paper's rows, printed with their commands; seconds
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.claims import CLAIMS


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the table")
    parser.add_argument("papers", nargs="*", help="arXiv numbers: only their rows, and no table is written")
    asked = parser.parse_args(argv)
    if unknown := set(asked.papers) - {claim.source for claim in CLAIMS}:
        parser.error(f"no claim of {', '.join(sorted(unknown))}; those here are {', '.join(sorted(_papers()))}")
    if asked.papers:
        return only(asked.papers)
    table = pd.DataFrame([claim.row() for claim in CLAIMS])
    print(table[["source", "claimed", "ours", "verdict", "claim"]].to_string(index=False, float_format="%.7g"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "literature.csv", index=False, float_format="%.10g")
    return table


def only(papers: Sequence[str]) -> pd.DataFrame:
    """The rows of some papers, told one by one."""
    table = pd.DataFrame([claim.row() for claim in CLAIMS if claim.source in papers])
    for row in table.itertuples():
        here = f"{row.ours:.7g}" + (f" [{row.low:.7g}, {row.high:.7g}]" if row.low < row.high else "")
        sense = "" if row.sense == "is" else f"{row.sense} "
        print(f"{row.claim}\n    claimed {sense}{row.claimed:.7g}, here {here}: {row.verdict}\n    {row.command}")
    return table


def _papers() -> set[str]:
    return {claim.source for claim in CLAIMS if claim.source}


if __name__ == "__main__":
    main()
