"""What a project's total is and is not."""

from __future__ import annotations

from optimiser.costing.project.commitments import Commitments
from optimiser.costing.project.read import Project, compute_sections
from optimiser.costing.project.schema import LINES
from optimiser.costing.project.serving import FleetCurve

OUTER_RANGE = (
    "low is the sum of all lows, high the sum of all highs: the outer range of the total, no probability"
)
_NOT_INCLUDED = (
    "tax",
    "financing and the cost of capital of the lines",
    "inflation and pay rises",
    "exchange rates",
)


def combined(curve: FleetCurve | None) -> str:
    """What low and high are, and where one of them is none since it could not be planned."""
    short = () if curve is None else curve.not_planned
    return OUTER_RANGE + "".join(
        f"; {one.case} has no plan at a confidence of {one.confidence}, so that it is no outer end"
        for one in short
    )


def not_included(project: Project, signed: Commitments | None) -> tuple[str, ...]:
    """What the lines leave out."""
    fields = project.fields
    absent = [name for name in LINES if not getattr(fields, name)]
    left = [f"{', '.join(absent)} (no such line in the file)"] if absent else []
    for name, compute in compute_sections(fields).items():
        if compute.owned is not None and "capital_usd_per_gpu_hour" not in compute.owned.model_fields_set:
            left.append(f"the owned machines themselves ({name}: energy alone)")
    if fields.inference is not None and fields.inference.workload is not None:
        left.append("what serving plans leave out (disks, load balancer, traffic out, support plan)")
    if signed is not None and signed.usd_beyond_end:
        left.append("what commitments of serving still owe after the last month")
    if fields.buy_or_rent is not None:
        left.append("owned servers of buy_or_rent, which stand beside the lines")
    return (*left, *_NOT_INCLUDED)
