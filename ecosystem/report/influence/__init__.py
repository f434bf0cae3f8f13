"""Influence of curation in the report: what it means in sentences, as a matrix, on the network, hop by hop."""

from ecosystem.influence.sentences import VERDICTS, verdicts
from ecosystem.report.influence.matrix import heat_map
from ecosystem.influence.story import UNIT, headline, story
from ecosystem.report.influence.walks import hops
from ecosystem.report.influence.web import network

__all__ = ["UNIT", "VERDICTS", "headline", "heat_map", "hops", "network", "story", "verdicts"]
