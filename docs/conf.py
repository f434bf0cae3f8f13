"""The site: ``make docs`` builds it into docs/_build/html."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
os.environ.setdefault("OMP_NUM_THREADS", "1")

from ecosystem.core.version import VERSION  # noqa: E402

project = "mesacosm"
author = "The mesacosm authors"
copyright = "the mesacosm authors, Apache-2.0"
release = version = VERSION

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "formulas",
    "claims",  # what the literature says and what came out, from the table of analysis/literature.py
    "shelf",  # the gallery's table, from the scenarios themselves
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3

autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
autodoc_typehints = "none"  # signatures say enough; docstrings say shapes and units
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "PARAMETERS"}
napoleon_google_docstring = False
napoleon_use_ivar = True  # attributes that are described in a class and by themselves stand there once
default_role = "code"

html_math_renderer = "mathml"
html_theme = "furo"
html_title = "mesacosm"
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}


def _reach(app: Any, error: Exception | None) -> None:
    """What Sphinx leaves out for who reads without eyes or mouse: levels of captions, and code that scrolls."""
    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        mended = text.replace('class="caption" role="heading">', 'class="caption" role="heading" aria-level="2">')
        mended = mended.replace("<pre>", '<pre tabindex="0">')
        if mended != text:
            page.write_text(mended, encoding="utf-8")


def _own(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """An attribute whose default makes objects of somebody else's is not described in their words (Python 3.13)."""
    made = thing.func if isinstance(thing, partial) else thing
    if what == "attribute" and isinstance(made, type) and made.__module__.split(".")[0] != "ecosystem":
        lines.clear()


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", _own)
    app.connect("build-finished", _reach)
