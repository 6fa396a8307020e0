"""`optimiser recommend A B … --together`: several services in one plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from optimiser.cli.output import emit, wants_colour
from optimiser.errors import UsageError, bad_value, did_you_mean

if TYPE_CHECKING:
    from optimiser.cli.question import Asking


def refuse_together(workloads: Sequence[str] | None, format_name: str, beside: Mapping[str, object]) -> None:
    """Raise UsageError for what does not go with --together; beside are the options given with it."""
    from optimiser.report.together import FORMATS

    if workloads is None or len(workloads) < 2:
        raise UsageError("--together: one workload has nothing to share with: give several, or leave it out")
    if format_name not in FORMATS:
        right = f"{did_you_mean(format_name, FORMATS)} (with --together)"
        raise bad_value("--format", "format", format_name, right)
    for option, given in beside.items():
        if given:
            raise UsageError(f"{option}: does not go with --together: one plan is made, in this process")


def plan_together(workloads: Sequence[str], asking: Asking, format_name: str, output: Path | None) -> None:
    """Plan the workloads together and write the plan."""
    from optimiser.cli.question import request_for
    from optimiser.report.together import render_together

    requests = [request_for(asking, workload) for workload in workloads]
    from optimiser.together import recommend_together

    plan = recommend_together(requests)
    emit(render_together(format_name, plan, colour=wants_colour(output)), output)
