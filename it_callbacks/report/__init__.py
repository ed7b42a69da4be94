"""Report runs on one self-contained page of HTML that opens offline."""

from it_callbacks.report.page import report

__all__ = ["report"]
