"""The measures of a record: names, refusals, and what their answers must look like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ecosystem.core.arguments import meant_among
from ecosystem.core.check import brief, one_line
from ecosystem.core.laws import NoPopulationLaw
from ecosystem.running.measures.view import View
from ecosystem.running.measures.watching import EVENTS

Measure = Callable[[View], Any]

OWN = ("seed", "replicate", "round", "member", "updated", "loss", "variant", "point", "seeds")
TABLES = ("members", "flows", "rounds", "changes", "failures", "texts", "baseline")
# Where the numbers of built-in measures can be; of all others nothing is known.
BOUNDS = dict.fromkeys(("change", "total_variance", "data_distance", "distance"), (0.0, np.inf))
BOUNDS |= {"effective_number": (1.0, np.inf), "updated": (0.0, 1.0)}
OTHERS = (
    "settings",
    "samples",
    "inputs",
    "parameters",
    "history",
    "generator",
    "save",
    "load",
    "measured",
    "verdicts",
    "plot",
)


def name_of(measure: Any) -> str:
    """What its column or table is called."""
    return getattr(measure, "__name__", type(measure).__name__)


def checked(given: Any, built_in: Sequence[Measure]) -> tuple[Measure, ...]:
    """The measures of a record; TypeError and ValueError name what cannot be one.

    One of the ``built_in`` may be given again; others may not have their names.
    """
    if not callable(given) and not isinstance(given, list | tuple):
        raise TypeError(f"Record(measures) is a function of a View, or a list of some, got {brief(given)}")
    measures = (given,) if callable(given) else tuple(given)
    mine = {name_of(measure): measure for measure in built_in}
    seen: dict[str, Measure] = {}
    for measure in measures:
        if not callable(measure):
            raise TypeError(
                f"Record(measures) are functions of a View, got {brief(measure)}; those that come along are in "
                "ecosystem.running.measures"
            )
        name = name_of(measure)
        if not name.isidentifier():
            raise ValueError(
                f"Record(measures): a column is named after its function, and {name!r} is no name; use def"
            )
        if name in (*OWN, *TABLES, *OTHERS) or mine.get(name, measure) is not measure or name in seen:
            raise ValueError(f"Record(measures): a run has a {name!r} already; give your function another __name__")
        watches = getattr(measure, "watches", {})
        if unknown := [what for what in watches if what not in EVENTS]:
            near = meant_among(unknown[0], EVENTS, f"there are {', '.join(EVENTS)}")
            raise ValueError(f"the measure {name} watches {unknown[0]!r}, which never happens{near}")
        seen[name] = measure
    return measures


def answered(measure: Measure, view: View) -> np.ndarray | pd.DataFrame:
    """What a measure says: numbers ``[members, variants, replicates]``, float64 or bool or int64, or a frame."""
    name = name_of(measure)
    try:
        answer = measure(view)
    except NoPopulationLaw as error:
        if f"the measure {name} " in str(error):
            raise
        raise NoPopulationLaw(f"the measure {name} in round {view.round}: {error}") from error
    except Exception as error:
        raise RuntimeError(
            f"the measure {name} failed in round {view.round} with {type(error).__name__}: {one_line(error)}; mend it, "
            "or leave it out of Record(measures=...)"
        ) from error
    if isinstance(answer, pd.DataFrame):
        return _as_frame(name, answer, view)
    shape = (len(view.names), *view.alive.shape)
    if isinstance(answer, Tensor | np.ndarray) and tuple(answer.shape) == shape:
        array = answer.detach().cpu().numpy() if isinstance(answer, Tensor) else answer
        if array.dtype.kind in "biuf":
            return np.array(array, dtype={"b": bool, "f": np.float64}.get(array.dtype.kind, np.int64))
    shown = (
        f"shape {list(answer.shape)} of {answer.dtype}" if hasattr(answer, "dtype") else f"a {type(answer).__name__}"
    )
    raise ValueError(
        f"the measure {name} returned {shown} in round {view.round}; it must return a number for each member, "
        f"[members, variants, replicates] = {list(shape)}, or a pandas frame"
    )


def _as_frame(name: str, frame: pd.DataFrame, view: View) -> pd.DataFrame:
    """A frame with places of variant and replicate, and columns of numbers and texts."""
    frame = frame.reset_index(drop=True)
    for axis, size in zip(("variant", "replicate"), view.alive.shape, strict=True):
        if axis not in frame and size == 1:
            frame = frame.assign(**{axis: 0})
        if axis not in frame:
            raise ValueError(
                f"the frame of the measure {name} has no column {axis!r}, and there are {size} of them; add it, or "
                "make the frame by view.frame(...)"
            )
        if len(frame) and not (frame[axis].dtype.kind in "iu" and bool(frame[axis].between(0, size - 1).all())):
            raise ValueError(f"the column {axis!r} of the measure {name} must be the places 0..{size - 1}")
    for column, values in frame.items():
        if column in ("seed", "round", "point", "seeds") or not isinstance(column, str):
            raise ValueError(f"the frame of the measure {name} has a column {column!r}, which the run adds itself")
        if not (values.dtype.kind in "biuf" or _is_text(values)):
            raise ValueError(
                f"the column {column!r} of the measure {name} has type {values.dtype}; numbers and texts can be kept"
            )
    return frame


def _is_text(values: pd.Series) -> bool:
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = pd.Series(values.cat.categories)
    return not len(values) or pd.api.types.infer_dtype(values, skipna=False) == "string"


# -- for checkpoints ---------------------------------------------------------------------------------------------------


def written(frame: pd.DataFrame) -> dict[str, Any]:
    """A frame as arrays of numbers and lists of texts."""
    out: dict[str, Any] = {}
    for column, values in frame.items():
        if values.dtype.kind in "biuf":
            out[str(column)] = values.to_numpy()
        else:
            codes, texts = pd.factorize(values.astype(object))
            out[str(column)] = (codes, [str(text) for text in texts], isinstance(values.dtype, pd.CategoricalDtype))
    return out


def read(given: dict[str, Any]) -> pd.DataFrame:
    """What :func:`written` has written."""
    out: dict[str, Any] = {}
    for column, values in given.items():
        if isinstance(values, tuple):
            codes, texts, categories = values
            values = np.array(texts, dtype=object)[codes]
            out[column] = pd.Categorical(values, categories=texts) if categories else values
        else:
            out[column] = values
    return pd.DataFrame(out)
