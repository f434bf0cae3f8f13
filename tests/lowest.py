"""The lowest versions that ``pyproject.toml`` admits, as constraints for pip: ``python -m tests.lowest``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def requirements() -> Iterator[tuple[str, str, str]]:
    """Every name with its lowest version and the one that is too high, those of the extras too."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    for lines in (project["dependencies"], *project["optional-dependencies"].values()):
        for line in lines:
            if not line.startswith(project["name"]):
                found = re.fullmatch(r"([\w-]+)>=([\d.]+),<([\d.]+)", line)
                if found is None:
                    raise ValueError(f"{PROJECT}: {line!r} is no range; write name>=lowest tested,<too high")
                yield found[1], found[2], found[3]


if __name__ == "__main__":
    print("\n".join(f"{name}=={low}" for name, low, _ in requirements()))
