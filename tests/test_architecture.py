"""The floors: a module imports from its own floor or lower ones, nothing goes round in a circle, files stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import networkx as nx
import pytest

import ecosystem

PACKAGE = Path(ecosystem.__file__).parent
LONGEST = 350  # lines of one file

# From the ground up; a name stands for a module or for a package with all that is in it.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("core", "data"),
    ("rewards", "transforms", "schedules", "orderings", "retention"),
    ("generators", "curation"),
    ("scenario",),
    ("engine",),
    ("running",),
    ("influence",),
    ("study",),
    ("decisions",),
    ("plots", "report", "explore", "cli"),
    ("__main__",),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
# Scenario.run, the short way through an ecosystem: what it imports inside, and the types of what it takes and gives
RUN = ("scenario.scenario", "running.ecosystem")
TYPES = ("running.checkpoints", "running.recording", "running.run", "running.until")
UPWARD = {RUN, *(("scenario.scenario", name) for name in TYPES)}


# Doors to a higher floor, opened when an attribute is first read: where they are, their names, what is behind
DOORS = {
    ("generators.closed_form", "_repr_html_", "plots.shown"),
    ("running.agents", "_repr_html_", "plots.shown"),
    ("running.ecosystem", "_repr_html_", "plots.shown"),
    ("running.run", "_repr_html_", "plots.shown"),
    ("running.run", "plot", "plots.runs"),
    ("scenario.scenario", "_repr_html_", "plots.shown"),
    ("decisions.fitted", "_repr_html_", "plots.shown_fit"),
    ("influence.exact", "_repr_html_", "plots.shown_influence"),
    ("influence.exact", "plot", "plots.influence"),
    ("influence.findings", "_repr_html_", "plots.shown_influence"),
    ("influence.findings", "plot", "plots.influence"),
    ("influence.measured", "_repr_html_", "plots.shown_influence"),
    ("influence.measured", "plot", "plots.influence"),
    ("decisions.allocation", "_repr_html_", "plots.shown_decisions"),
    ("study.results", "_repr_html_", "plots.shown_study"),
    ("study.sensitivity.discovery", "plot", "plots.study_boxes"),
    ("study.sensitivity.told", "plot", "plots.study_sensitivity"),
    ("study.results", "plot", "plots.study"),
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below ``ecosystem``; the package's own face is not one."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            found[name] = path
    return found


MODULES = modules()


class Imports(ast.NodeVisitor):
    """What a module imports of the package: ``(name, inside a function)``; imports for type checkers count as well."""

    def __init__(self) -> None:
        self.found: list[tuple[str, bool]] = []
        self.depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.add(alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, f"line {node.lineno}: imports are absolute"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            self.add(inner if inner.removeprefix("ecosystem.") in MODULES else str(node.module))

    def add(self, name: str) -> None:
        if name.split(".")[0] == "ecosystem":
            self.found.append((name.removeprefix("ecosystem").removeprefix("."), self.depth > 0))


def imports(module: str) -> Iterator[tuple[str, bool]]:
    visitor = Imports()
    visitor.visit(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    yield from visitor.found


def top(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_from_lower_floors_only(module: str) -> None:
    assert top(module) in FLOOR, f"{module} has no floor: give it one in this table"
    for name, _ in imports(module):
        assert name, f"{module} imports the package's face; import the module that defines the name"
        assert name in MODULES, f"{module} imports {name}, which does not exist"
        if (module, name) in UPWARD:
            continue
        mine, theirs = FLOOR[top(module)], FLOOR[top(name)]
        assert theirs <= mine, f"{module} (floor {mine}) imports {name} (floor {theirs})"


def test_nothing_goes_round_in_a_circle() -> None:
    """Neither between modules nor between the packages and modules of the first level."""
    graph = nx.DiGraph()
    for module in MODULES:
        graph.add_edges_from((module, name) for name, _ in imports(module) if (module, name) not in UPWARD)
    assert list(nx.simple_cycles(graph)) == []
    first = nx.DiGraph((top(u), top(v)) for u, v in graph.edges if top(u) != top(v))
    assert list(nx.simple_cycles(first)) == []


def test_the_upward_import_is_where_it_was_agreed() -> None:
    """Only in ``Scenario.run``; elsewhere it would be an ordinary one."""
    assert (*RUN[1:], True) in imports(RUN[0]) and (*RUN[1:], False) not in imports(RUN[0])
    tree = ast.parse(MODULES["scenario.scenario"].read_text(encoding="utf-8"))
    inside = [
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and node.module == "ecosystem.running.ecosystem"
    ]
    assert inside == ["run"]


def doors(module: str) -> Iterator[tuple[str, str, str, str]]:
    """The doors of a module: ``(module, attribute, module behind, name behind)``."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="Door"), args=args)):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=ast.Name(id="Door"), args=args)):
                pass
            case _:
                continue
        behind, what = (ast.literal_eval(argument) for argument in args)
        yield module, name, behind.removeprefix("ecosystem."), what


def test_doors_are_where_they_were_agreed() -> None:
    """One kind of door leads to a higher floor, an attribute that charts are behind; nothing else opens one."""
    found = [door for module in MODULES for door in doors(module)]
    assert {door[:3] for door in found} == DOORS and len(found) == len(DOORS)
    for module, _, behind, what in found:
        assert FLOOR[top(behind)] > FLOOR[top(module)], f"{module} could simply import {behind}"
        assert top(behind) == "plots" and hasattr(import_module(f"ecosystem.{behind}"), what)
    calls = [module for module, path in MODULES.items() if "import_module(" in path.read_text(encoding="utf-8")]
    assert calls == ["core.door", "generators.language.extra"]


def test_charts_are_imported_when_they_are_asked_for() -> None:
    """Neither the package's names nor a run bring the chart library, nor pictures, nor the report."""
    code = """
        import sys, ecosystem
        for name in dir(ecosystem):
            getattr(ecosystem, name)
        s = ecosystem.Scenario("s", rounds=1)
        point = ecosystem.Location([1.0])
        s.add("a", ecosystem.Member(point, reward=ecosystem.Linear([1.0]), real=point))
        run = s.run()
        assert len(run.verdicts) == 1
        heavy = {"altair", "vl_convert", "matplotlib", "ecosystem.plots", "ecosystem.report"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        assert "altair" in type(run.plot.alignment()).__mro__[2].__module__ and "ecosystem.report" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", dedent(code)], check=True)


@pytest.mark.parametrize("module", MODULES)
def test_files_stay_small(module: str) -> None:
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST, f"{module} has {lines} lines; more than {LONGEST} are usually two ideas"


def passes_on(node: ast.stmt) -> bool:
    """Whether a statement is a docstring, an import or ``__all__``."""
    if isinstance(node, ast.Assign):
        return [getattr(target, "id", None) for target in node.targets] == ["__all__"]
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Import | ast.ImportFrom)


@pytest.mark.parametrize("module", [name for name, path in MODULES.items() if path.name == "__init__.py"])
def test_faces_only_pass_names_on(module: str) -> None:
    for node in ast.parse(MODULES[module].read_text(encoding="utf-8")).body:
        assert passes_on(node), f"ecosystem.{module} does more than pass names on, line {node.lineno}"


def test_the_face_knows_every_name() -> None:
    """What the face offers exists, is what its module defines, and type checkers see the same names."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {a.asname: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for a in node.names}
    assert sorted(typed) == dir(ecosystem)
    for name, home in typed.items():
        assert getattr(ecosystem, name) is getattr(__import__(str(home), fromlist=[str(name)]), str(name))
    with pytest.raises(AttributeError, match="module 'ecosystem' has no attribute 'Nothing'"):
        _ = ecosystem.Nothing  # type: ignore[attr-defined]


def test_what_is_said_and_escaped_is_said_and_escaped_by_one_function() -> None:
    """Drawings had copies of the words of the core, notebooks and drawings an escape each, charts a count of copies."""
    escaping = {name for name, path in modules().items() if "escape(" in path.read_text(encoding="utf-8")}
    assert {name for name in escaping if name.startswith("plots")} == set() and "core.words" in escaping
    said = import_module("ecosystem.core.words")
    for module in filter(lambda name: name.startswith("plots.network."), modules()):
        own = vars(import_module(f"ecosystem.{module}"))
        assert all(own.get(word, known) is known for word, known in vars(said).items() if callable(known)), module
    assert not hasattr(import_module("ecosystem.plots.spreads"), "replicates")
