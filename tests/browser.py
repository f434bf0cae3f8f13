"""Pages in a real browser: what a headless Chromium makes of them at several widths."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def in_frames(page: str, widths: Sequence[int], folder: Path) -> list[dict[str, Any]]:
    """What is seen of a page at each width: spare pixels, number of images, what is too wide, images that stay blank.

    The page stands in frames, one as wide as a phone: a headless window is never narrower than 500 pixels. A message on
    the console is a failure.
    """
    host = folder / "host.html"
    measure = """
        document.body.dataset.seen = JSON.stringify([...document.querySelectorAll('iframe')].map(frame => {
            const page = frame.contentDocument, edge = frame.clientWidth;
            const shown = [...page.querySelectorAll('main *')].filter(e => !e.closest('thead'));
            return {
                spare: edge - page.documentElement.scrollWidth, images: page.images.length,
                wide: shown.filter(e => e.getBoundingClientRect().right > edge).map(e => e.outerHTML.slice(0, 80)),
                blank: [...page.images].filter(e => !e.naturalWidth).length};
        }));
    """
    frame = f'<iframe style="width:%dpx;height:900px;border:0" srcdoc="{html.escape(page)}"></iframe>'
    frames = "".join(frame.replace("%d", str(width), 1) for width in widths)
    script = f"<script>onload = () => {{ {measure} }}</script>"
    host.write_text(f'<!doctype html><body style="margin:0">{frames}{script}', encoding="utf-8")
    flags = "--headless --no-sandbox --disable-gpu --hide-scrollbars --disable-quic --no-first-run --disable-sync "
    flags += "--disable-background-networking --disable-component-update --enable-logging=stderr --dump-dom "
    flags += f"--window-size=1300,1000 --user-data-dir={folder / 'profile'}"
    command = [str(CHROMIUM), *flags.split(), host.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    found = re.search(r'data-seen="([^"]*)"', done.stdout)
    assert found, done.stdout[-300:]
    seen = json.loads(html.unescape(found.group(1)))
    assert len(seen) == len(widths)
    return seen
