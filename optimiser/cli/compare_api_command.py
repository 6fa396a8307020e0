"""`optimiser compare-api WORKLOAD`: self-hosting against token APIs for the same model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optimiser.errors import bad_value, did_you_mean

if TYPE_CHECKING:
    from optimiser.recommend import Request


def check_format(format_name: str) -> None:
    """Raise UsageError for a format that the comparison has not."""
    from optimiser.report.api_comparison import FORMATS

    if format_name not in FORMATS:
        raise bad_value("--format", "format", format_name, did_you_mean(format_name, FORMATS))


def compared(request: Request, format_name: str, *, colour: bool) -> str:
    """The comparison, as the format has it. Raises what `compare_api` does."""
    from optimiser.costing.api_break_even import compare_api
    from optimiser.report.api_comparison import render_comparison

    return render_comparison(format_name, compare_api(request), colour=colour)
