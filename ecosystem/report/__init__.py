"""The report of a run, of an influence analysis and of a study: charts, verdicts and settings in one HTML file."""

from ecosystem.report.influence.page import render_findings, write_findings
from ecosystem.report.run import render, write_report
from ecosystem.report.study import render_study, write_study

__all__ = ["render", "render_findings", "render_study", "write_findings", "write_report", "write_study"]
