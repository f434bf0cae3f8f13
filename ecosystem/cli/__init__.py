"""The command line: ``ecosystem run``, ``describe``, ``influence``, ``compare``, ``study`` and ``report``, a file each.

Torch, Mesa and pandas are imported inside the functions that use them: ``ecosystem --help`` answers at once.
"""

from ecosystem.cli.program import app, main
from ecosystem.cli.terminal import SHOWN

__all__ = ["SHOWN", "app", "main"]
