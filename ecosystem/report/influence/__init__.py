"""Influence in reports: the sections on an analysis, and the page that it has where there is no run."""

from ecosystem.report.influence.page import render_findings, write_findings
from ecosystem.report.influence.sections import sections

__all__ = ["render_findings", "sections", "write_findings"]
