"""`optimiser budget`: the lines of an LLM project over its months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from optimiser.cli.options import AsOf, Config, Embedded, ListFormat, Output, Set, Store

if TYPE_CHECKING:
    from optimiser.cli.question import Asking
    from optimiser.costing.project.prices import Prices
    from optimiser.costing.project.read import Project as ProjectFile


def budget(
    project: Annotated[
        str, typer.Argument(metavar="PROJECT", help="A project file, or the name of one in config/projects.")
    ],
    format_name: ListFormat = "table",
    output: Output = None,
    settings: Set = None,
    config: Config = None,
    store: Store = None,
    embedded: Embedded = False,
    as_of: AsOf = None,
) -> None:
    """What an LLM project costs: data, training, inference, maintenance and engineering, month by month, low to high.

    Serving is planned on real fleets at the project's own volumes; owned GPUs are set against rented ones.
    """
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.question import asking
    from optimiser.config import load_config
    from optimiser.costing.project.read import load_project
    from optimiser.errors import bad_value, did_you_mean
    from optimiser.report.records import LIST_FORMATS

    if format_name not in LIST_FORMATS:
        raise bad_value("--format", "format", format_name, did_you_mean(format_name, LIST_FORMATS))
    read = load_project(load_config(config).find_project(project))

    def asked() -> Asking:
        return asking(
            directory=config,
            as_of=as_of,
            store=store,
            embedded=embedded,
            settings=settings or (),
            options={},
        )

    from optimiser.costing.project.budget import budget_of, needs_prices

    # What was typed is looked at even where nothing is planned at a price.
    wanted = needs_prices(read) or settings or store or as_of
    found = budget_of(read, _prices(read, asked()) if wanted else None)
    from optimiser.report.budget import render_budget

    emit(render_budget(format_name, found, colour=wants_colour(output)), output)


def _prices(project: ProjectFile, asking: Asking) -> Prices:
    """Config, prices, policy and, where a workload is served, its question. Raises UsageError."""
    from optimiser.cli.question import request_for, spot_past
    from optimiser.config.policy_layers import PolicyLayer
    from optimiser.costing.project.prices import Prices

    prices = Prices(
        config=asking.config,
        book=asking.book,
        typed=asking.typed,
        spot_past=lambda policy: spot_past(asking, policy),
    )
    inference = project.fields.inference
    if inference is None or inference.workload is None:
        return prices
    own = PolicyLayer(f"{project.where}: inference.policy", inference.policy)
    typed: Sequence[PolicyLayer] = (own, *asking.typed)
    named = project.named("inference.workload", inference.workload, asking.config.find_workload)
    return replace(prices, serving=request_for(replace(asking, typed=typed), str(named)))
