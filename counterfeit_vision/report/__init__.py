"""Verdicts -> a page, a notebook view, a table, a log of what people decided.

``report`` (the page and the notebook view), ``pictures`` (photos with boxes and heat maps), ``review_log`` (decisions).
"""

from .report import Explanation, Report

__all__ = ["Explanation", "Report"]
