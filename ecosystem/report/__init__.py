"""The report of a run, of an influence analysis and of a study: figures, verdicts and settings in one HTML file."""

from ecosystem.report.canvas import own_style
from ecosystem.report.influence.page import render_findings, write_findings
from ecosystem.report.run import render, write_report
from ecosystem.report.study.page import write_study

__all__ = ["own_style", "render", "render_findings", "write_findings", "write_report", "write_study"]
