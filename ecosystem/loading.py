"""Scenario files: from a Python file with a function ``scenario(**parameters)`` to the scenario it builds."""

from __future__ import annotations

import ast
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ecosystem.parameters import misfits

if TYPE_CHECKING:
    from ecosystem.scenario import Scenario


class ScenarioFileError(ValueError):
    """A scenario file that cannot be used; the message is one line that names the place and the mend."""


def load_scenario(file: str | Path, parameters: Mapping[str, Any] | None = None) -> tuple[Scenario, str]:
    """The scenario that ``scenario(**parameters)`` of a Python file builds, and the file's docstring.

    The file is run afresh at every call, and modules beside it can be imported from it.

    Raises
    ------
    ScenarioFileError
        If the file is missing or raises, has no function ``scenario``, does not know a parameter or needs one
        more, or gives something that is no :class:`~ecosystem.Scenario`.
    """
    from ecosystem.scenario import Scenario

    path = Path(file)
    parameters = dict(parameters or {})
    module = _execute(path)
    build = getattr(module, "scenario", None)
    if not callable(build):
        raise ScenarioFileError(f"{path} has no function scenario(); define `def scenario(...) -> Scenario:` in it")
    _check_names(path, build, parameters)
    with located(path):
        scenario = build(**parameters)
    if not isinstance(scenario, Scenario):
        raise ScenarioFileError(
            f"scenario() of {path} returned {type(scenario).__name__}; it must return the Scenario it builds"
        )
    return scenario, inspect.getdoc(module) or ""


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Parameters from texts ``name=value``: values are Python literals, anything else is a string.

    >>> parse_settings(["coupling=0.9", "graph=ring"])
    {'coupling': 0.9, 'graph': 'ring'}

    Raises
    ------
    ValueError
        If a text is not ``name=value``, or a name comes twice.
    """
    parameters: dict[str, Any] = {}
    for text in settings:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (equals and name.isidentifier()):
            raise ValueError(f"--set {text!r} is no setting; write --set name=value")
        if name in parameters:
            raise ValueError(f"--set {text!r}: {name!r} is {parameters[name]!r} already; set it once")
        try:
            parameters[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            parameters[name] = value
    return parameters


@contextmanager
def located(file: str | Path) -> Iterator[None]:
    """Turn whatever the code of a scenario file raises into an error with the last line of the file on its way."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, SyntaxError) and error.filename == str(file):
            line, text = error.lineno, error.msg
        else:
            frames = reversed(traceback.extract_tb(error.__traceback__))
            line = next((frame.lineno for frame in frames if frame.filename == str(file)), None)
            text = one_line(error)
        place = f"{file}, line {line}" if line else f"{file}"
        raise ScenarioFileError(f"{place}: {type(error).__name__}: {text}") from error


def one_line(error: BaseException) -> str:
    """The message of an exception on a single line; its class where it carries no message."""
    # KeyError prints the repr of its argument, OSError an error number nobody knows
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])
    elif isinstance(error, OSError) and error.strerror and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    else:
        text = str(error)
    return " ".join(text.split()) or type(error).__name__


def _execute(path: Path) -> ModuleType:
    """Run a file as a module of its own name space, without byte code left beside it."""
    if path.is_dir():
        raise ScenarioFileError(f"{path} is a folder; name the scenario file in it")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ScenarioFileError(f"cannot read the scenario file {path} ({error.strerror}); check the path") from error
    module = ModuleType(f"scenario_file_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickles look their module up
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: a neighbour called random.py must not hide Python's own
    with located(path):
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def _check_names(path: Path, build: Callable[..., Any], parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that ``scenario()`` does not have, and missing ones that it needs."""
    unknown, needed, names = misfits(build, parameters)
    if unknown:
        choice = f"its parameters are: {', '.join(names)}" if names else "it takes none"
        raise ScenarioFileError(f"scenario() of {path} has no parameter {', '.join(map(repr, unknown))}; {choice}")
    if needed:
        raise ScenarioFileError(
            f"scenario() of {path} needs a value for {', '.join(map(repr, needed))}; "
            f"give it one (--set {needed[0]}=...) or a default"
        )
