"""A run as one page for people: what its files say, and what they leave out."""

from medtune.report.page import render, write_report

__all__ = ["render", "write_report"]
