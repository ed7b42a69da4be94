"""Runs in, one self-contained page of HTML that opens offline out."""

from it_callbacks.report.page import report

__all__ = ["report"]
