"""Who got its users' taste among the digit laboratories, and who lost it?

Reads a run of ``scenarios/digits.py``, prints each member's change of alignment and draws the coupling graph, the
alignments and some samples in one picture.

    make demo
    .venv/bin/python analysis/digits.py runs/digits analysis/results/digits.png
"""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ecosystem import Run
from ecosystem.plots.network import network
from ecosystem.report.images import brightness, pixels

ROUNDS, SCALE = 5, 5  # of samples; pixels of the picture for each pixel of an image
Picture = Image.Image


def main(folder: str = "runs/digits", picture: str = "analysis/results/digits.png") -> None:
    run = Run.load(folder)
    table = run.verdicts[["member", "reward", "curation", "start", "end", "change", "low", "high"]]
    print(table.round(3).to_string(index=False))
    graph = network(run, values=run.verdicts.set_index("member")["change"], width=640, theme="light").png()
    target = BytesIO()
    run.plot.alignment().save(target, format="png", scale_factor=2)
    Path(picture).parent.mkdir(parents=True, exist_ok=True)
    together([opened(graph), samples(run)], opened(target.getvalue())).save(picture)
    print(f"picture in {picture}")


def samples(run: Run) -> Picture:
    """Members below each other, rounds side by side, each a mosaic of the first images."""
    kept = {name: {at: x.numpy() for at, x in run.samples[name].items()} for name in run.members["member"]}
    every = sorted({at for rounds in kept.values() for at in rounds})
    rounds = [every[round(i)] for i in np.linspace(0, len(every) - 1, ROUNDS)]
    tiles = [[opened(pixels(x[at], *brightness(kept))) for at in rounds] for x in kept.values()]
    wide, high = (SCALE * size for size in tiles[0][0].size)
    sheet = Image.new("RGB", (130 + len(rounds) * (wide + 12), 40 + len(tiles) * (high + 12)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(24)
    for column, at in enumerate(rounds):
        pen.text((130 + column * (wide + 12), 0), f"round {at}" if at else "start", "black", font)
    for row, (name, line) in enumerate(zip(kept, tiles, strict=True)):
        top = 40 + row * (high + 12)
        pen.text((0, top + high // 2 - 12), name, "black", font)
        for column, tile in enumerate(line):
            grown = tile.resize((wide, high), Image.Resampling.NEAREST)
            sheet.paste(grown, (130 + column * (wide + 12), top))
    return sheet


def together(above: list[Picture], below: Picture) -> Picture:
    """Pictures side by side over another, as wide as it is."""
    width = sum(picture.width for picture in above)
    below = below.resize((width, round(below.height * width / below.width)))
    top = max(picture.height for picture in above)
    sheet = Image.new("RGB", (width, top + below.height), "white")
    left = 0
    for picture in above:
        sheet.paste(picture, (left, (top - picture.height) // 2))
        left += picture.width
    sheet.paste(below, (0, top))
    return sheet


def opened(data: bytes) -> Picture:
    """A picture from its file's bytes, on white."""
    return Image.open(BytesIO(data)).convert("RGB")


if __name__ == "__main__":
    main(*sys.argv[1:])
