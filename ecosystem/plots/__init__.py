"""Charts: functions of tables that return Altair charts, and their light and dark look.

``run.plot``, ``effect.plot``, ``measured.plot`` and ``results.plot`` have those of a run, of influence and of a study.
A chart can be restyled and layered as any of Altair's, and saved as ``svg``, ``png`` or a page (``html``) that opens
without a network.
"""

from ecosystem.plots.chart import NothingToDraw
from ecosystem.plots.comparing import compared
from ecosystem.plots.degree import degrees
from ecosystem.plots.influence_matrix import knock_out, matrix, traffic
from ecosystem.plots.influence_walks import hops, intervals, response, within
from ecosystem.plots.lines import alignment, change, losses, measured
from ecosystem.plots.opinions import choices, tastes
from ecosystem.plots.quality import sources
from ecosystem.plots.samples import clouds, symbols
from ecosystem.plots.study_boxes import boxes
from ecosystem.plots.study_curves import curves, slices
from ecosystem.plots.study_maps import heat_map, stable
from ecosystem.plots.study_sensitivity import sensitivity
from ecosystem.plots.theme import theme
from ecosystem.plots.together import welfare
from ecosystem.plots.training import diets, draws
from ecosystem.plots.usage import demand

__all__ = [
    "NothingToDraw",
    "alignment",
    "boxes",
    "change",
    "choices",
    "clouds",
    "compared",
    "curves",
    "degrees",
    "demand",
    "diets",
    "draws",
    "heat_map",
    "hops",
    "intervals",
    "knock_out",
    "losses",
    "matrix",
    "measured",
    "response",
    "sensitivity",
    "slices",
    "sources",
    "stable",
    "symbols",
    "tastes",
    "theme",
    "traffic",
    "welfare",
    "within",
]
