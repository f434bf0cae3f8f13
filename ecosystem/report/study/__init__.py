"""The report of a study: what its parameters do to alignment and influence, where it failed, in one HTML file."""

from ecosystem.report.study.page import write_study

__all__ = ["write_study"]
