"""`optimiser recommend --pareto AXIS`: which axis is meant, and the plans along it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optimiser.errors import bad_value, did_you_mean

if TYPE_CHECKING:
    from optimiser.pareto import Axis
    from optimiser.recommend import Request


def check_axis(name: str, many: Sequence[str] | None, format_name: str) -> Axis:
    """The axis of that name. Raises UsageError for another name, several workloads, or a format that is no list's."""
    from optimiser.pareto import AXES
    from optimiser.report.records import LIST_FORMATS

    if name not in AXES:
        raise bad_value("--pareto", "axis", name, did_you_mean(name, AXES))
    if many is not None:
        raise bad_value("--pareto", "axis", name, "it goes with one workload")
    if format_name not in LIST_FORMATS:
        raise bad_value("--format", "format", format_name, f"with --pareto one of {', '.join(LIST_FORMATS)}")
    return AXES[name]


def swept(request: Request, axis: Axis, format_name: str, *, colour: bool) -> str:
    """The plans along the axis, as the format has it. Raises NoFeasiblePlan where there is none at all."""
    from optimiser.errors import NoFeasiblePlan
    from optimiser.pareto import sweep
    from optimiser.report.pareto_list import pareto_document, pareto_rows
    from optimiser.report.records import render_records

    points = sweep(request, axis)
    if all(point.plan is None for point in points):
        raise NoFeasiblePlan(points[-1].why_no_plan)
    rows = pareto_rows(request.workload.name, axis, points)
    return render_records(format_name, rows, lambda: pareto_document(rows), colour=colour)
