"""The colours of a drawing, light and dark, as CSS variables with fallbacks; a page may set its own ``--eco-…``.

A drawing for a light or a dark ground holds that ground's colours as fallbacks; ``"auto"`` is light, and dark where the
reader's system is. What is told by colour is told by a dash, a head, a sign or words as well.
"""

from __future__ import annotations

import re

from ecosystem.plots import palette

THEMES = ("auto", "light", "dark")
COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#14181d"),
    "ink": (palette.INK, "#e6eaef"),
    "soft": (palette.SOFT, "#a9b4c0"),
    "node": ("#eef1f4", "#262d36"),
    "disc": ("#f5f7f9", "#1b2027"),
    "edge": (palette.FAINT, "#363e48"),
    "real": (palette.REAL, "#4a545f"),
    "raw": (palette.RAW, "#a9b4c0"),
    "curated": (palette.CURATED, "#b08cf0"),
    "none": ("#8d96a1", "#77828e"),
    "plus": (palette.DIVERGING[-1], palette.DIVERGING_DARK[-1]),
    "minus": (palette.DIVERGING[0], palette.DIVERGING_DARK[0]),
    **{f"c{i}": pair for i, pair in enumerate(zip(palette.COLOURS, palette.DARK, strict=True))},
}
FONT = "system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif"

_RULES = """
text{font-family:%FONT%;fill:$ink}
.paper{fill:$paper} .disc{fill:$disc;stroke:$edge} .soft{fill:$soft}
.halo{stroke:$paper;stroke-width:3px;stroke-linejoin:round;paint-order:stroke}
.flow path,.key path{fill:none;stroke:$raw} .flow polygon,.key polygon{fill:$raw;stroke:none}
.curated path{stroke:$curated;stroke-dasharray:5 3} .curated polygon{fill:$curated}
.real path{fill:none;stroke:$none} .real polygon{fill:$none} .real rect{fill:$real}
.plus path{stroke:$plus} .plus polygon{fill:$plus} .minus path{stroke:$minus;stroke-dasharray:7 3 1.5 3}
.minus polygon{fill:$minus} .zero path{stroke:$none;stroke-dasharray:1 3} .zero polygon{fill:$none}
.later path{stroke-dasharray:1.5 3.5} .later,.absent{opacity:.75} .absent .ring{stroke-dasharray:4 3}
.users circle,.users path{fill:$curated;stroke:$paper;stroke-width:1px;paint-order:stroke;stroke-dasharray:none}
.share rect{fill:$paper;fill-opacity:.9} .share.curated text{fill:$curated}
.share.plus text{fill:$plus} .share.minus text{fill:$minus}
.body{fill:$node;stroke:none} .gain{fill:$plus} .loss{fill:$minus} .ring{fill:none}
.flow .hit{stroke:#000;stroke-opacity:0;stroke-dasharray:none;pointer-events:stroke}
.dim{opacity:.15} .lit .ring{stroke-width:5px} .member:focus,.flow:focus{outline:none}
.member:focus-visible .ring{stroke:$ink;stroke-width:5px} .flow:focus-visible path:not(.hit){stroke:$ink}
.flow:hover path:not(.hit),.flow.lit path:not(.hit){stroke-width:5px}
"""


def style(theme: str, colours: set[int]) -> str:
    """The rules of one drawing, for its own class alone: a page may hold drawings of several themes."""
    rules = _RULES + "".join(f".c{i} .ring{{stroke:$c{i}}}\n" for i in sorted(colours))
    own = f".eco-{theme}"
    scoped = re.sub(r"([^{}\n]+)\{", lambda found: _scoped(own, found[1]) + "{", rules).replace("%FONT%", FONT)
    dark = int(theme == "dark")
    said = re.sub(r"\$([a-z]+\d*)", lambda found: f"var(--eco-{found[1]},{COLOURS[found[1]][dark]})", scoped)
    if theme == "auto":
        used = [name for name in COLOURS if not re.fullmatch(r"c\d+", name) or int(name[1:]) in colours]
        changed = ";".join(f"--eco-{name}:{COLOURS[name][1]}" for name in used)
        said += f"@media (prefers-color-scheme:dark){{{own}{{{changed}}}}}\n"
    return said.replace(" .eco", "\n.eco").strip()


def _scoped(own: str, selectors: str) -> str:
    return ",".join(f"{own} {selector.strip()}" for selector in selectors.split(","))


def flat(svg: str, theme: str) -> str:
    """The same drawing with its colours written out, for programs that know no variables."""
    if theme == "dark":
        svg = re.sub(r"var\(--eco-([a-z]+\d*),[^)]*\)", lambda found: COLOURS[found[1]][1], svg)
    svg = re.sub(r"var\(--eco-[a-z]+\d*,([^)]*)\)", r"\1", svg)
    return re.sub(r"@media [^{]*\{[^{}]*\{[^{}]*\}\}\n?", "", svg)
