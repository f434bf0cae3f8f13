"""Studies: thousands of ecosystems, here or on a cluster, and nothing lost."""

from ecosystem.study.engines import Engine, Local, Lost, Ray
from ecosystem.study.folder import StudyFolderError
from ecosystem.study.measures import Measure, of_scenario
from ecosystem.study.outcomes.under_way import Unfinished
from ecosystem.study.progress import Progress
from ecosystem.study.results import Results
from ecosystem.study.study import Study

__all__ = [
    "Engine",
    "Local",
    "Lost",
    "Measure",
    "Progress",
    "Ray",
    "Results",
    "Study",
    "StudyFolderError",
    "Unfinished",
    "of_scenario",
]
