"""What functions of the user's own may answer: a table that a file can hold."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from ecosystem.core.check import brief, one_line


class WrongTable(TypeError):
    """A function has answered something that is no table, or one that no file can hold with the others."""


def as_table(name: str, answer: Any) -> pd.DataFrame:
    """The answer of the function ``name`` as a table whose columns are numbers and texts; a named index is some.

    Raises
    ------
    WrongTable
        One line with the function, the value and the mend.
    """
    if not isinstance(answer, pd.DataFrame):
        raise WrongTable(
            f"{name}() must return a pandas DataFrame with a row for each thing it says, got {brief(answer)}; "
            "return pd.DataFrame({'value': [...]})"
        )
    labels = [*(str(index) for index in answer.index.names if index is not None), *map(str, answer.columns)]
    if twice := [label for label in labels if labels.count(label) > 1]:
        raise WrongTable(f"the table of {name}() has two columns {twice[0]!r}; give one of them another name")
    if "point" in labels:
        raise WrongTable(f"the table of {name}() has a column 'point' already, which the study adds; leave it out")
    named = any(index is not None for index in answer.index.names)
    table = answer.reset_index() if named else answer.copy(deep=False)
    for label, values in table.items():
        try:
            pa.array(values, from_pandas=True)
        except Exception as error:  # of Arrow, of pandas, of what the cells are
            first = brief(values.iloc[0])
            raise WrongTable(
                f"the column {str(label)!r} of {name}() begins with {first} ({one_line(error)}); return numbers, or "
                "texts, one kind in a column"
            ) from error
    return table


def check_together(name: str, first: pd.DataFrame, table: pd.DataFrame) -> None:
    """Refuse a table of a function that no file can hold with the first one."""
    schemas = [pa.Schema.from_pandas(frame, preserve_index=False) for frame in (first, table)]
    try:
        pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowException as error:
        raise WrongTable(
            f"the table of {name}() does not go with that of an earlier point ({one_line(error)}); return columns of "
            "the same kind at every point"
        ) from error
