"""The Plan as text for a terminal: the answer in line 1, then what it rests on, most important first."""

from __future__ import annotations

from optimiser.planning.plan import Plan
from optimiser.report.sections import document
from optimiser.report.text_layout import text_of


def render(plan: Plan, *, explain: bool = False, colour: bool = False) -> str:
    """Lines of at most 100 columns; explain adds rules, rejections and alternatives."""
    return text_of(document(plan, explain=explain), colour=colour)
