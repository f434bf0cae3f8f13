"""From a scenario, or its tables, to one SVG: what it says in words, and how it is shown and saved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ecosystem.core.check import brief, switch, whole_number
from ecosystem.core.storage import named
from ecosystem.core.words import listed, safe
from ecosystem.plots.network import mark
from ecosystem.plots.network.arrange import arrange
from ecosystem.plots.network.curves import num
from ecosystem.plots.network.graph import read
from ecosystem.plots.network.groups import grouped
from ecosystem.plots.network.picture import Picture, pictured
from ecosystem.plots.network.sheet import Sheet
from ecosystem.plots.network.theme import THEMES, flat, style
from ecosystem.plots.palette import COLOURS

MOST = 60  # members that are drawn in full
SHAPES = {
    "star": "around the one that is joined to all others",
    "layers": "in layers, from those that are read to those that read",
    "groups": "in groups of those that are joined most",
    "circle": "in a circle",
    "force": "near those they are joined to",
}


@dataclass(frozen=True, repr=False)
class Drawing:
    """A network as one SVG that shows itself in a notebook.

    ``svg`` is the text, for a page of one's own or a file; ``caption`` says what it shows, ``alt`` stands in its place
    for who does not see it; ``kind`` is the layout. Members carry ``data-member``, flows ``data-source``,
    ``data-target`` and ``data-kind``; a page that gives one the class ``lit`` or ``dim`` highlights it or sets it back,
    and changes colours by variables such as ``--eco-ink``.
    """

    svg: str
    caption: str
    alt: str
    kind: str
    theme: str

    def __repr__(self) -> str:
        return f"Drawing({self.alt.partition('.')[0]}; {len(self.svg):,} characters of SVG)"

    def __str__(self) -> str:
        return self.svg

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        return self.svg

    def png(self, scale: float = 2.0) -> bytes:
        """The drawing in pixels, ``scale`` of them for each of its own."""
        import vl_convert  # takes a while, and only pictures need it

        return vl_convert.svg_to_png(flat(self.svg, self.theme), scale=scale)

    def save(self, path: str | os.PathLike[str], scale: float = 2.0) -> Path:
        """Write ``x.svg`` or ``x.png`` and return its path.

        Of a theme that follows the reader (``"auto"``) the SVG keeps its variables, of the others it has plain colours,
        which programs other than browsers need.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        """
        file = named(path)
        if file.suffix.lower() == ".png":
            file.write_bytes(self.png(scale))
        elif file.suffix.lower() == ".svg":
            file.write_text(self.svg if self.theme == "auto" else flat(self.svg, self.theme), encoding="utf-8")
        else:
            raise ValueError(f"save({str(path)!r}): a drawing is saved as .svg or .png")
        return file


def network(
    what: Any,
    *,
    edges: str | pd.Series | pd.DataFrame = "share",
    values: Mapping[str, float] | pd.Series | None = None,
    layout: str | None = None,
    by: str | Mapping[str, str] | pd.Series | None = None,
    most: int = MOST,
    width: int = 860,
    theme: str = "auto",
    focusable: bool = False,
) -> Drawing:
    """Draw who learns from whom: members as circles, flows as arrows from the one that generates to its reader.

    Parameters
    ----------
    what: a Scenario, a Run, an analysis of influence, or two tables (members, flows) as ``Scenario.describe()`` gives.
    edges: what arrows carry.

        - ``"share"``: the shares of the reader's training set, raw and curated apart, and real data as boxes;
        - ``"effect"``: what more curation at the source does to the reader, ``"traffic"``: what of all influence goes
          along the flow, both of the exact influence; they are computed for a scenario, and read from an analysis;
        - numbers of one's own: a Series by (source, target), or a table with these columns and a number. What is below
          0 is dashed and ends in a bar.

    values: a number a member, for its tint, and a sign and the number below its name; NaN for none.
    layout: ``"star"``, ``"layers"``, ``"groups"``, ``"circle"`` or ``"force"``; by default what suits the graph.
    by: draw groups: ``"community"``, ``"degree"`` (how many read a member), or a group for every member. By default
        above ``most`` members, by communities if there are clear ones, else by degree. Shares are then those of a
        group's mean member.
    width: in pixels; below 600 it is laid out for a phone.
    theme: ``"light"``, ``"dark"``, or ``"auto"``: dark where the reader's system is.
    focusable: whether the keyboard reaches members and flows.

    Raises
    ------
    TypeError
        If there is nothing to draw in ``what``, or ``edges`` or ``values`` are nothing of the above.
    ValueError
        If tables lack columns or name unknown members, or a setting is none of those named.

    >>> import pandas as pd
    >>> members = pd.DataFrame({"member": ["author", "reader"]})
    >>> flows = pd.DataFrame({"source": ["author"], "target": ["reader"], "raw": [0.3], "curated": [0.2]})
    >>> drawing = network((members, flows))
    >>> drawing
    Drawing(Directed network of two members and one flow, drawn in a circle; ... characters of SVG)
    """
    whole_number(most, "network(most)", 1)
    whole_number(width, "network(width)", 240, high=10_000)
    switch(focusable, "network(focusable)")
    if theme not in THEMES:
        raise ValueError(f"network(theme={brief(theme)}): there are {', '.join(THEMES)}")
    tables = read(what, edges, values)
    picture = pictured(grouped(tables, by) if by is not None or len(tables.members) > most else tables)
    made = arrange(picture, width, layout, focusable)
    caption, alt = _caption(picture, made), _alt(picture, made)
    return Drawing(_svg(made, theme, caption, alt), caption, alt, made.plan.kind, theme)


def _svg(made: Sheet, theme: str, caption: str, alt: str) -> str:
    """The layers one over the other, and the key below them."""
    top, low = made.reach()
    key, end = mark.key(made, low + 20)
    top, width, high = top - 8, made.width, end - top + 12
    box = f"{num(-width / 2)} {num(top)} {num(width)} {num(high)}"
    parts = [f'<rect class="paper" x="{num(-width / 2)}" y="{num(top)}" width="{num(width)}" height="{num(high)}"/>']
    parts += [f'<circle class="disc" cx="{num(x)}" cy="{num(y)}" r="{num(r)}"/>' for x, y, r in made.plan.discs]
    parts += [part for layer in ("flows", "real", "members", "words") for part in made.layers[layer]]
    rules = style(theme, {i % len(COLOURS) for i in range(len(made.picture.faces))})
    role = "group" if made.focusable else "img"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="eco-network eco-{theme}" viewBox="{box}" '
        f'width="{num(width)}" height="{num(high)}" style="max-width:100%;height:auto" role="{role}" '
        f'aria-label="{safe(alt)}">\n<title>{safe(f"{made.picture.name}: {made.picture.size}")}</title>\n'
        f"<desc>{safe(caption)}</desc>\n<style>\n{rules}\n</style>\n" + "\n".join([*parts, key]) + "\n</svg>\n"
    )


def _caption(picture: Picture, made: Sheet) -> str:
    """What the drawing shows, and what it leaves out."""
    said = ["An arrow leads from the member that generates to the one that trains on it"]
    if picture.carry == "share":
        said[0] += ", and is the thicker the larger its share of the reader’s training set."
        said += (
            ["Numbers on arrows are these shares."] if made.written and any(s.words for s in picture.strokes) else []
        )
        said += ["A grey box is real data."] if any(face.real > 0 for face in picture.faces) else []
    else:
        said[0] += f", and is the thicker the larger its {picture.carry}; what is below 0 is dashed and ends in a bar."
        if any(" " in stroke.words for stroke in picture.strokes):
            said.append(
                "Where a flow carries gains and harms, both stand on its arrow, which has the sign of their sum and is "
                "as thick as the larger: they do not cancel."
            )
    if any(stroke.later for stroke in picture.strokes):
        said.append("Dotted arrows come later.")
    if any(face.tint == face.tint for face in picture.faces):
        said.append("The tint of a circle, its sign and number are the member’s; deeper is further from 0.")
    if picture.grouped:
        said = [picture.grouped, "Circles are the larger the more members they stand for.", *said]
    left = " and ".join(f"{count} {what}" for what, count in sorted(made.missing.items()))
    return " ".join([*said, f"No room was found for {left}: titles tell them."] if left else said)


def _alt(picture: Picture, made: Sheet) -> str:
    """What is read aloud: size, shape, and of few members what each trains on."""
    few = picture.carry == "share" and len(picture.faces) <= 12
    words = f"Directed network of {picture.size}, drawn {SHAPES[made.plan.kind]}."
    if picture.carry != "share":
        strongest = sorted((s for s in picture.strokes if s.kind != "zero"), key=lambda s: -s.weight)[:6]
        words += " The largest: " + listed(list(dict.fromkeys(s.title.partition(";")[0] for s in strongest))) + "."
    return f"{words} {'; '.join(f'{face.name} {face.diet}' for face in picture.faces)}." if few else words
