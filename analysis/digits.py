"""Who got its users' taste among the digit laboratories, and who lost it?

Reads a run of ``scenarios/digits.py``, prints each member's change of alignment and draws the coupling graph, the
alignments and some samples in one picture.

    make demo
    .venv/bin/python analysis/digits.py runs/digits analysis/results/digits.png
"""

import sys
from io import BytesIO
from pathlib import Path

import matplotlib.image as image
from matplotlib.figure import Figure

from ecosystem import Run
from ecosystem.report import plots


def main(folder: str = "runs/digits", picture: str = "analysis/results/digits.png") -> None:
    run = Run.load(folder)
    table = run.verdicts[["member", "reward", "curation", "start", "end", "change", "low", "high"]]
    print(table.round(3).to_string(index=False))
    together([plots.coupling(run, width=6.5), plots.images(run, width=6.5)], plots.alignment(run, width=13), picture)
    print(f"picture in {picture}")


def together(above: list[Figure], below: Figure, path: str) -> None:
    """Two figures side by side over a third."""
    pictures = [drawn(figure) for figure in (*above, below)]
    sheet = Figure(figsize=(13, 9.2), layout="constrained", facecolor="white")
    places = sheet.subplot_mosaic([["a", "b"], ["c", "c"]], height_ratios=[1.9, 1])
    for place, picture in zip("abc", pictures, strict=True):
        places[place].imshow(picture, interpolation="antialiased")
        places[place].axis("off")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sheet.savefig(path, dpi=110)


def drawn(figure: Figure):
    """A figure as an array of pixels."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight")
    buffer.seek(0)
    return image.imread(buffer)


if __name__ == "__main__":
    main(*sys.argv[1:])
