"""A condition on the points of a study, written as in Python and read without running it."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ecosystem.core.arguments import meant
from ecosystem.core.check import brief, users_code
from ecosystem.core.words import listed
from ecosystem.study.outcomes.contents import Contents
from ecosystem.study.outcomes.effects import harm
from ecosystem.study.outcomes.measuring import NoMeasure, called_pair, measures, numbers

LONGEST = 1000  # characters
COMPARED = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
RECKONED = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
CALLED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "abs": np.abs,
    "any": lambda values: values.max(0, keepdims=True),
    "all": lambda values: values.min(0, keepdims=True),
    "min": lambda values: values.min(0, keepdims=True),
    "max": lambda values: values.max(0, keepdims=True),
}
HARM = ("backfires", "harms")
SHORT = {"M": "influence", "J": "alignment"}  # as the mathematics writes them


class WrongCondition(ValueError):
    """A condition that cannot be read, or asks for what the study does not have; the message says where."""


@dataclass(frozen=True, eq=False)
class _Values:
    """Numbers ``[names, points]`` of a part of a condition; truth is 1 and 0, NaN where nobody knows.

    ``names`` are whose they are, none where they are the point's own.
    """

    array: np.ndarray
    names: tuple[str, ...] = ()
    truth: bool = False
    texts: bool = False


def where(results: Contents, condition: Any) -> tuple[np.ndarray, str]:
    """Where a condition holds, ``[points]``: 1, 0, or NaN where nobody knows; and its words.

    It is a text (:class:`Reader`), a series of yes and no by ``point``, an array of them in the order of
    ``results.points``, or a function of the results that returns one of these.

    Raises
    ------
    WrongCondition
        If it cannot be read, or has no answer for every point.
    """
    if isinstance(condition, str):
        return Reader(results, condition).answer(), " ".join(condition.split())
    words = getattr(condition, "__name__", "") if callable(condition) else str(getattr(condition, "name", None) or "")
    given: Any = condition
    if callable(condition):
        with users_code(
            f"the condition {brief(condition)}", "let it return yes or no for each point", (WrongCondition,)
        ):
            given = condition(results)
    points = results.points["point"]
    if isinstance(given, pd.Series):
        if missing := set(points) - set(given.index):
            raise WrongCondition(
                f"the condition says nothing about {len(missing)} of {len(points)} points; its index is the column "
                "`point`: give series.set_axis(results.points['point'])"
            )
        given = given.loc[points]
    try:
        values = pd.Series(given).reset_index(drop=True)
        answers = list(values.dropna().unique())
    except Exception:  # whatever pandas makes of somebody else's thing
        raise WrongCondition(
            f"a condition is a text, a series or an array of yes and no, or a function of the results that returns "
            f"one, got {brief(given)}"
        ) from None
    if len(values) != len(points):
        raise WrongCondition(f"the condition has {len(values)} answers, and there are {len(points)} points")
    if not all(isinstance(one, Hashable) and one in (True, False) for one in answers):
        raise WrongCondition(f"the condition is no yes and no: {listed(answers, 3)}; compare: values < 0")
    return values.astype("Float64").to_numpy(float, na_value=np.nan), "the condition" if words in (
        "",
        "<lambda>",
    ) else words


class Reader:
    """A text as a condition on points.

    Names are parameters and measures (``alignment``, ``gain``, ``influence``, a column, ``table.column``); of a member
    ``alignment[theta]``, of a pair ``M[target, source]`` (``M`` is ``influence``, ``J`` is ``alignment``); names with
    other signs in quotes. They go with ``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=``, ``and``, ``or``, ``not``,
    ``+ - * /``, ``abs``, and over members ``any``, ``all``, ``min``, ``max``. Of several members one is enough, unless
    it says ``all``. Where a number is missing, nobody knows whether it holds.

    ``backfires`` and ``harms`` are yes or no, and mean what the report says: a member's curation lowers its own
    alignment and its own users choose some of what it reads (``backfires[theta]``), or it lowers another's
    (``harms[target, source]``). ``M`` has all pairs, members on themselves among them: ``any(M < 0)`` holds where
    curation lowers anybody's alignment, ``backfires or harms`` nearly the same (but where others choose all of it).
    """

    def __init__(self, results: Contents, text: str) -> None:
        self.results, self.text = results, text
        if len(text) > LONGEST:
            raise WrongCondition(f"a condition has at most {LONGEST} characters, got {len(text):,}")
        try:
            self.tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise WrongCondition(
                f"{text!r} cannot be read; write it as in 'M[theta, phi] < 0 and coupling > 0.5'"
            ) from error

    def answer(self) -> np.ndarray:
        """Where it holds, ``[points]``."""
        try:
            found = self._of(self.tree)
        except RecursionError as error:
            raise WrongCondition(f"{self.text[:40]!r}… is too deep; write less in parentheses") from error
        if not found.truth:
            raise self._refused(self.tree, "is a number; compare it, as in 'alignment < 0'")
        return np.broadcast_to(found.array.max(0), len(self.results.points)).astype(float)

    def _of(self, node: ast.AST) -> _Values:
        match node:
            case ast.Constant(value=bool()):
                raise self._refused(node, "is no number or text")
            case ast.Constant(value=int() | float() as value):
                try:
                    return _Values(np.full((1, 1), float(value)))
                except OverflowError:
                    raise self._refused(node, "is too large a number") from None
            case ast.Constant(value=str(text)):
                return _Values(np.array([[text]], dtype=object), texts=True)
            case ast.BoolOp(op=op, values=parts):
                return self._both(
                    node, [self._truth(part) for part in parts], "min" if isinstance(op, ast.And) else "max"
                )
            case ast.UnaryOp(op=ast.Not(), operand=part):
                found = self._truth(part)
                return _Values(1 - found.array, found.names, True)
            case ast.UnaryOp(op=ast.USub(), operand=part):
                found = self._number(part)
                return _Values(-found.array, found.names)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in RECKONED:
                a, b = self._number(left), self._number(right)
                with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                    found = RECKONED[type(op)](a.array, b.array)
                known = np.where(np.isfinite(found), found, np.nan)  # nobody knows what is divided by nothing
                return _Values(known, self._names(node, a, b))
            case ast.Compare(left=left, ops=ops, comparators=others):
                ends = [left, *others]
                parts = [self._compared(node, op, a, b) for op, a, b in zip(ops, ends, others, strict=False)]
                return self._both(node, parts, "min")
            case ast.Call(func=ast.Name(id=name), args=[part], keywords=[]) if name in CALLED:
                found = self._truth(part) if name in ("any", "all") else self._number(part)
                names = found.names if name == "abs" else ()
                return _Values(CALLED[name](found.array), names, name in ("any", "all"))
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._named(node)
        raise self._refused(node, "is nothing that a condition is made of: names, numbers, comparisons, and, or, not")

    def _compared(self, node: ast.AST, op: ast.cmpop, left: ast.AST, right: ast.AST) -> _Values:
        if type(op) not in COMPARED:
            raise self._refused(node, "has another comparison than < <= > >= == !=")
        a, b = self._of(left), self._of(right)
        if a.truth or b.truth:
            raise self._refused(node, "compares a comparison; put `and` between two")
        if a.texts != b.texts or (a.texts and not isinstance(op, ast.Eq | ast.NotEq)):
            raise self._refused(node, "compares a text with a number, or texts by size; texts are == or !=")
        held = COMPARED[type(op)](a.array, b.array).astype(float)
        unknown = np.zeros_like(held, dtype=bool) if a.texts else np.isnan(a.array) | np.isnan(b.array)
        return _Values(np.where(unknown, np.nan, held), self._names(node, a, b), True)

    def _both(self, node: ast.AST, parts: list[_Values], how: str) -> _Values:
        names: tuple[str, ...] = self._names(node, *parts)
        reduce = np.minimum if how == "min" else np.maximum
        array = parts[0].array
        for part in parts[1:]:
            array = reduce(array, part.array)
        return _Values(array, names, True)

    def _names(self, node: ast.AST, *parts: _Values) -> tuple[str, ...]:
        """Whose the parts are together."""
        own = list(dict.fromkeys(part.names for part in parts if part.names))
        if len(own) > 1:
            raise self._refused(
                node, "puts numbers of members beside those of pairs; say whose: M[theta, phi], or any(…)"
            )
        return own[0] if own else ()

    def _truth(self, node: ast.AST) -> _Values:
        found = self._of(node)
        if not found.truth:
            raise self._refused(node, "is no yes or no; compare it: … < 0")
        return found

    def _number(self, node: ast.AST) -> _Values:
        found = self._of(node)
        if found.truth or found.texts:
            raise self._refused(node, "is no number")
        return found

    def _named(self, node: ast.AST) -> _Values:
        """A parameter, or a measure of every member or of some."""
        whose: tuple[str, ...] | None = None
        base = node
        if isinstance(node, ast.Subscript):
            base, inner = node.value, node.slice
            whose = tuple(self._name(part) for part in (inner.elts if isinstance(inner, ast.Tuple) else [inner]))
        name = self._dotted(base)
        if whose is None and name in self.results.parameters:
            column = self.results.points[name]
            if pd.api.types.is_numeric_dtype(column.dtype):
                return _Values(column.to_numpy(float, na_value=np.nan)[None])
            return _Values(
                column.astype(object).map(lambda v: v if isinstance(v, str) else str(v)).to_numpy()[None], texts=True
            )
        try:
            if name in HARM:
                return self._harm(name, whose)
            found = numbers(self.results, SHORT.get(name, name))
        except NoMeasure as error:
            known = [*self.results.parameters, *measures(self.results)]
            question = meant(name, [*known, *(long.rpartition(".")[2] for long in known)])
            raise WrongCondition(
                f"{self.text!r}: {error}{question}; its parameters are {listed(self.results.parameters)}"
            ) from None
        if whose is not None:
            pair = called_pair(*whose) if len(whose) == 2 else ""
            found = found.only([pair if pair in found.names else ", ".join(whose)])
        return _Values(found.sample.mean, () if len(found.names) == 1 else tuple(found.names))

    def _harm(self, word: str, whose: tuple[str, ...] | None) -> _Values:
        """Whose curation backfires, or harms whom: yes or no."""
        names, held = harm(self.results, word)
        if whose is not None:
            name = called_pair(*whose) if len(whose) == 2 and word == "harms" else ", ".join(whose)
            if name not in names:
                raise NoMeasure(f"{word}: there is no {name!r}; there are {listed(names)}")
            return _Values(held[names.index(name)][None], (), True)
        return _Values(held, () if len(names) == 1 else tuple(names), True)

    def _dotted(self, node: ast.AST) -> str:
        if isinstance(node, ast.Attribute):
            return f"{self._dotted(node.value)}.{node.attr}"
        if isinstance(node, ast.Name):
            return node.id
        raise self._refused(node, "is no name")

    def _name(self, node: ast.AST) -> str:
        if isinstance(node, ast.Constant):
            return str(node.value)
        if isinstance(node, ast.Name):
            return node.id
        raise self._refused(node, "is no name; write names with other signs in quotes: alignment['north-west']")

    def _refused(self, node: ast.AST, why: str) -> WrongCondition:
        return WrongCondition(f"{self.text!r}: `{ast.unparse(node)}` {why}")
