"""The report of a run and of an influence analysis: figures, verdicts and settings in one HTML file."""

from ecosystem.report.influence.section import render_findings, write_findings
from ecosystem.report.page import render, write_report

__all__ = ["render", "render_findings", "write_findings", "write_report"]
