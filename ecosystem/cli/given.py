"""What commands are given: options that several share, and the scenario of a file."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecosystem.cli.loading import load_scenario

if TYPE_CHECKING:
    from ecosystem.scenario import Scenario

File = Annotated[Path, typer.Argument(metavar="FILE", help="Python file with scenario(**parameters).")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Parameter of scenario(): 0.5, True, [1, 2], else a string."),
]
Threads = Annotated[int, typer.Option(min=1, help="Torch threads; small models are fastest on one.")]
Device = Annotated[
    str | None, typer.Option(metavar="DEVICE", help="Where it is computed, such as cuda; else on the CPU.")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def load(
    file: Path, parameters: dict[str, Any], rounds: int | None = None, samples: int | None = None
) -> tuple[Scenario, str]:
    """The scenario of a file with the command line's changes, and the file's docstring."""
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)  # the tensors are small: a second thread is mostly waited for
    scenario, description = load_scenario(file, parameters)
    if rounds is not None:
        scenario = scenario.replace(rounds=rounds)
    if samples is not None:
        scenario = scenario.replace(samples=samples or None)
    return scenario, description


def facts(file: Path, parameters: dict[str, Any], description: str) -> dict[str, Any]:
    """Where results came from, as reports tell it."""
    command = shlex.join(["ecosystem", *sys.argv[1:]])
    return {"file": str(file), "parameters": parameters, "description": description, "command": command}
