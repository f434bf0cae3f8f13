"""The look of charts, light and dark: an Altair theme, so that charts hold no colours and change as one.

Charts say what is which member; the theme says in which colours. Reading ``run.plot``, or importing this package, turns
the light one on where Altair's own was on; a theme of the user's own stays.
"""

from __future__ import annotations

from typing import Any

import altair as alt

from ecosystem.plots import palette

FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
NAMES: dict[str, Any] = {"light": "ecosystem-light", "dark": "ecosystem-dark"}
# What a mark is, where that is no member: the theme says how it looks.
REAL, RAW, CURATED, SHOWN, HALO, PART, ZERO = "real", "raw", "curated", "shown", "halo", "part", "zero"
RULE, FRAME, BLANK = "rule", "frame", "blank"


def theme(name: str = "light") -> Any:
    """Draw all charts ``light`` or ``dark`` from now on, or within a ``with`` block.

    Those that are there change too when they are next shown or saved. ``altair.theme.enable("default")`` gives Altair's
    own look back.

    Raises
    ------
    ValueError
        If there is no such theme.

    >>> import altair
    >>> with theme("dark"):
    ...     altair.theme.active
    'ecosystem-dark'
    >>> altair.theme.active
    'ecosystem-light'
    """
    if name not in NAMES:
        raise ValueError(f"plots.theme({name!r}): there is no such theme; there are {', '.join(NAMES)}")
    return alt.theme.enable(NAMES[name])


def _config(
    ground: str,
    ink: str,
    soft: str,
    faint: str,
    real: str,
    raw: str,
    curated: str,
    colours: tuple[str, ...],
    diverging: tuple[str, ...],
    ramp: tuple[str, ...],
    letters: dict[str, str],
) -> alt.theme.ThemeConfig:
    """A theme from its colours."""
    words: dict[str, Any] = {"labelColor": soft, "titleColor": ink, "labelFontSize": 11, "titleFontSize": 11}
    words |= {"titleFontWeight": "normal", "labelLimit": 180, "titleLimit": 320}
    lines = {"domainColor": faint, "tickColor": faint, "gridColor": faint}
    title = {
        "anchor": "start",
        "color": ink,
        "subtitleColor": soft,
        "fontSize": 13,
        "subtitleFontSize": 11,
        "offset": 10,
    }
    marks = {"continuousWidth": 440, "continuousHeight": 240, "stroke": None}
    ranges = {"category": list(colours), "diverging": list(diverging), "ramp": list(ramp), "heatmap": list(ramp)}
    greys = {REAL: real, RAW: raw, CURATED: curated, SHOWN: real}
    styles: dict[str, Any] = {name: {"color": colour} for name, colour in greys.items()}
    styles |= {f"{name}-line": {"color": raw if colour == real else colour} for name, colour in greys.items()}
    styles |= {HALO: {"stroke": ground, "strokeWidth": 3, "strokeJoin": "round", "strokeOpacity": 0.85}}
    styles |= {PART: {"stroke": ground, "strokeWidth": 0.8}}
    styles |= {ZERO: {"color": soft, "strokeDash": [3, 3]}}
    styles |= {RULE: {"color": soft, "stroke": soft}, FRAME: {"color": ink, "stroke": ink}}
    styles |= {BLANK: {"fill": faint, "color": faint}}
    styles |= {f"on-{strength}": {"fill": colour, "color": colour} for strength, colour in letters.items()}
    config: Any = {
        "background": ground,
        "font": FONT,
        "padding": 8,
        "view": marks,
        "title": title,
        "axis": words | lines | {"tickSize": 4},
        "axisX": {"grid": False, "labelFlush": False},
        "legend": words | {"symbolSize": 90, "symbolStrokeWidth": 2, "columnPadding": 12, "symbolBaseFillColor": soft},
        "header": words | {"labelColor": ink, "labelAnchor": "start", "labelFontWeight": "bold", "labelLimit": 400},
        "range": ranges,
        "style": styles,
        "line": {"strokeWidth": 1.8},
        "rule": {"color": soft},
        "text": {"color": ink, "font": FONT},
        "mark": {"color": colours[0]},
        "facet": {"spacing": 24},
        "concat": {"spacing": 24},
    }
    return {"config": config}


@alt.theme.register(NAMES["light"], enable=False)
def light() -> alt.theme.ThemeConfig:
    """For white paper."""
    p = palette
    plain = (p.INK, p.SOFT, p.FAINT, p.REAL, "#9aa5b1", p.CURATED)
    letters = {"mild": p.INK, "middle": p.INK, "strong": "white"}
    return _config("white", *plain, p.COLOURS, p.DIVERGING, p.RAMP, letters)


@alt.theme.register(NAMES["dark"], enable=False)
def dark() -> alt.theme.ThemeConfig:
    """For dark screens."""
    p = palette
    plain = ("#e6eaef", "#a9b4c0", "#363e48", "#5b6570", "#8795a3", "#b08cf0")
    letters = {"mild": "#e6eaef", "middle": "#14181d", "strong": "#14181d"}
    return _config("#14181d", *plain, p.DARK, p.DIVERGING_DARK, p.RAMP_DARK, letters)


if alt.theme.active == "default":
    theme()
