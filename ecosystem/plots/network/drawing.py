"""A finished drawing: its SVG, what it says in words, and how it is shown and saved."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ecosystem.plots.network.theme import flat


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
        file = Path(path)
        if file.suffix.lower() == ".png":
            file.write_bytes(self.png(scale))
        elif file.suffix.lower() == ".svg":
            file.write_text(self.svg if self.theme == "auto" else flat(self.svg, self.theme), encoding="utf-8")
        else:
            raise ValueError(f"save({str(path)!r}): a drawing is saved as .svg or .png")
        return file
