"""The report of a run, of influence, of decisions and of a study: charts, verdicts and settings in one HTML file."""

from ecosystem.report.decisions import render_decisions, write_decisions
from ecosystem.report.influence.page import render_findings, write_findings
from ecosystem.report.run import render, write_report
from ecosystem.report.study import render_study, write_study

__all__ = [
    "render",
    "render_decisions",
    "render_findings",
    "render_study",
    "write_decisions",
    "write_findings",
    "write_report",
    "write_study",
]
