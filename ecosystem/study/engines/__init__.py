"""Where blocks are computed: :class:`Local` worker processes, or :class:`Ray`."""

from ecosystem.study.engines.base import Engine, Lost
from ecosystem.study.engines.cluster import Ray
from ecosystem.study.engines.fitting import Fitting
from ecosystem.study.engines.local import Local

__all__ = ["Engine", "Fitting", "Local", "Lost", "Ray"]
