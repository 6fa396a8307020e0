"""A Plan in words, one file per format: `renderer(name)(plan, explain=…)` gives the whole text.

To add a format, write a module with `render(plan, *, explain=False, colour=False) -> str` and name it here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from optimiser.errors import bad_value, did_you_mean

if TYPE_CHECKING:
    from optimiser.planning.plan import Plan

FORMATS = {
    "table": "optimiser.report.as_table",
    "json": "optimiser.report.as_json",
    "markdown": "optimiser.report.as_markdown",
    "csv": "optimiser.report.as_csv",
    "gateway": "optimiser.report.as_gateway",
}


class Render(Protocol):
    """Text that ends in a line break; with colour it may hold terminal escapes."""

    def __call__(self, plan: Plan, *, explain: bool = False, colour: bool = False) -> str:
        """The plan in one format."""


def renderer(name: str) -> Render:
    """The render function of the format of that name, imported on demand. Raises UsageError."""
    if name not in FORMATS:
        raise bad_value("--format", "format", name, did_you_mean(name, FORMATS))
    return cast("Render", import_module(FORMATS[name]).render)
