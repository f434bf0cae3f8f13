"""Charts: functions of tables that return Altair charts, and their light and dark look.

``run.plot`` has those of a run. A chart can be restyled and layered as any of Altair's, and saved as ``svg``, ``png``
or a page (``html``) that opens without a network.
"""

from ecosystem.plots.chart import NothingToDraw
from ecosystem.plots.lines import alignment, change, losses, measured
from ecosystem.plots.theme import theme

__all__ = ["NothingToDraw", "alignment", "change", "losses", "measured", "theme"]
