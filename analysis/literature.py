"""What becomes of the claims of the literature when its systems are played by one engine?

Each row of the table is a claim with a number in it: what its authors say, what comes out here, and a verdict that
follows from the two. Numbers of populations are exact and must agree within a millionth; numbers of samples come with
a 99 % interval over replicates, in which the claimed one must lie. Where a claim is refuted, its row is the
counterexample.

    .venv/bin/python analysis/literature.py              # half a minute
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.claims import CLAIMS


def main(argv: Sequence[str] | None = None) -> pd.DataFrame:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("analysis/results"), help="folder of the table")
    asked = parser.parse_args(argv)
    table = pd.DataFrame([claim.row() for claim in CLAIMS])
    print(table[["source", "claimed", "ours", "verdict", "claim"]].to_string(index=False, float_format="%.7g"))
    asked.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(asked.out / "literature.csv", index=False, float_format="%.10g")
    return table


if __name__ == "__main__":
    main()
