"""The report of a run: figures, verdicts and settings in one HTML file."""

from ecosystem.report.page import render, write_report

__all__ = ["render", "write_report"]
