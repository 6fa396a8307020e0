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
    from optimiser.report.records import check_list_format

    check_list_format(format_name)
    in_project, others = _of_project(settings or ())
    known = load_config(config)
    read = load_project(known.find_project(project), in_project, known.find_job)
    from optimiser.costing.project.budget import budget_of, needs_prices
    from optimiser.report.budget import render_budget

    prices = None
    # What was typed is looked at even where nothing is planned at a price.
    if needs_prices(read) or others or store or as_of:
        question = asking(
            directory=config,
            as_of=as_of,
            store=store,
            embedded=embedded,
            settings=others,
            options={},
        )
        prices = _prices(read, question)
    emit(render_budget(format_name, budget_of(read, prices), colour=wants_colour(output)), output)


def _of_project(settings: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Of --set texts the overrides of the project, and the texts that are of the policy or the workload."""
    from optimiser.config.policy_layers import split_overrides
    from optimiser.costing.project.schema import ProjectFields
    from optimiser.workload.schema import WorkloadFields

    own, what = tuple(ProjectFields.model_fields), "workload or project"
    split_overrides("--set", settings, (*own, *WorkloadFields.model_fields), what)
    ours = [text for text in settings if text.split("=")[0].strip().split(".")[0] in own]
    return split_overrides("--set", ours, own, what)[1], [text for text in settings if text not in ours]


def _prices(project: ProjectFile, asking: Asking) -> Prices:
    """Config, prices, policy and, where a workload is served, its question. Raises UsageError."""
    from optimiser.cli.question import request_for, spot_past, warn_of_ends
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
    serving = request_for(replace(asking, typed=typed), str(named))
    warn_of_ends(serving)
    return replace(prices, serving=serving)
