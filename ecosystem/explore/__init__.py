"""The living page ``ecosystem explore``: a scenario's parameters to drag, and what the library computes of them.

Nothing here but :mod:`ecosystem.explore.page` and what it is made of needs Solara (``pip install "mesacosm[ui]"``).
"""

from ecosystem.core.parameters import Range
from ecosystem.explore.controls import Control, controls
from ecosystem.explore.setting import Setting

__all__ = ["Control", "Range", "Setting", "controls"]
