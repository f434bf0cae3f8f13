"""Scenario files: Python files with a function ``scenario(**parameters)`` and, if they want, ``study(...)``."""

from __future__ import annotations

import ast
import inspect
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from ecosystem.core.arguments import meant_among
from ecosystem.core.parameters import SCENARIO_FILE, misfits
from ecosystem.core.storage import named

if TYPE_CHECKING:
    from ecosystem.scenario import Scenario
    from ecosystem.study import Study

T = TypeVar("T")


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

    path = named(file)
    module = _execute(path)
    return _called(path, module, "scenario", dict(parameters or {}), Scenario), inspect.getdoc(module) or ""


def load_study(file: str | Path, parameters: Mapping[str, Any] | None = None) -> Study:
    """The study that ``study(**parameters)`` of a Python file describes; errors as for :func:`load_scenario`."""
    from ecosystem.study import Study

    path = named(file)
    return _called(path, _execute(path), "study", dict(parameters or {}), Study)


def load_build(file: str | Path) -> Callable[..., Scenario]:
    """The function ``scenario`` of a Python file, not called yet; errors as for :func:`load_scenario`."""
    path = named(file)
    return _function(path, _execute(path), "scenario")


def parse_settings(settings: Iterable[str], option: str = "--set") -> dict[str, Any]:
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
            raise ValueError(f"{option} {text!r} is no setting; write {option} name=value")
        if name in parameters:
            raise ValueError(f"{option} {text!r}: {name!r} is {parameters[name]!r} already; set it once")
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
            frames = [
                frame for cause in _causes(error) for frame in reversed(traceback.extract_tb(cause.__traceback__))
            ]
            line = next((frame.lineno for frame in frames if frame.filename == str(file)), None)
            text = one_line(error)
        place = f"{file}, line {line}" if line else f"{file}"
        raise ScenarioFileError(f"{place}: {type(error).__name__}: {text}") from error


def _causes(error: BaseException) -> list[BaseException]:
    """What lies behind an error, from the first cause on."""
    return [*_causes(error.__cause__), error] if error.__cause__ is not None else [error]


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
    module = ModuleType(f"{SCENARIO_FILE}{path.stem}")
    module.__file__ = str(path.resolve())
    sys.modules[module.__name__] = module  # dataclasses and pickles look their module up
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # last: a neighbour called random.py must not hide Python's own
    with located(path):
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def _function(path: Path, module: ModuleType, name: str) -> Callable[..., Any]:
    function = getattr(module, name, None)
    if not callable(function):
        raise ScenarioFileError(
            f"{path} has no function {name}(); define `def {name}(...) -> {name.capitalize()}:` in it"
        )
    return function


def _called(path: Path, module: ModuleType, name: str, parameters: dict[str, Any], kind: type[T]) -> T:
    """What a function of a scenario file returns; refused where that is of another kind."""
    function = _function(path, module, name)
    _check_names(path, function, parameters)
    with located(path):
        result = function(**parameters)
    if not isinstance(result, kind):
        raise ScenarioFileError(
            f"{name}() of {path} returned {type(result).__name__}; it must return the {kind.__name__} it builds"
        )
    return result


def _check_names(path: Path, function: Callable[..., Any], parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that a function does not have, and missing ones that it needs."""
    unknown, needed, names = misfits(function, parameters)
    name = getattr(function, "__name__", "scenario")
    if unknown:
        there = f"its parameters are: {', '.join(names)}" if names else "it takes none"
        near = meant_among(unknown[0], names, there)
        raise ScenarioFileError(f"{name}() of {path} has no parameter {', '.join(map(repr, unknown))}{near}")
    if needed:
        raise ScenarioFileError(
            f"{name}() of {path} needs a value for {', '.join(map(repr, needed))}; "
            f"give it one (--set {needed[0]}=...) or a default"
        )
