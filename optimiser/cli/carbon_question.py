"""`optimiser recommend --carbon`: the cheapest plan, the greenest, and what a tonne avoided costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optimiser.errors import bad_value

if TYPE_CHECKING:
    from optimiser.recommend import Request


def check_carbon(many: Sequence[str] | None, format_name: str, pareto: str | None, together: bool) -> None:
    """Raise UsageError where --carbon stands beside what it does not go with."""
    from optimiser.report.records import LIST_FORMATS

    if many is not None or together:
        raise bad_value("--carbon", "workloads", "several", "it goes with one workload")
    if pareto is not None:
        raise bad_value(
            "--carbon", "--pareto", pareto, "one of the two: --pareto carbon is a line for each price"
        )
    if format_name not in LIST_FORMATS:
        raise bad_value("--format", "format", format_name, f"with --carbon one of {', '.join(LIST_FORMATS)}")


def traded(request: Request, format_name: str, *, colour: bool) -> str:
    """The plans from the cheapest to the greenest. Raises NoFeasiblePlan where there is none of known carbon."""
    from optimiser.pareto import carbon_trades
    from optimiser.report.carbon_list import carbon_document, carbon_rows
    from optimiser.report.records import render_records

    trades = carbon_trades(request)
    rows = carbon_rows(request.workload.name, trades)
    notes = dict.fromkeys(note for one in trades for note in one.plan.notes if note.startswith("carbon:"))
    return render_records(format_name, rows, lambda: carbon_document(rows, tuple(notes)), colour=colour)
