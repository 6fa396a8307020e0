"""The commands, their options, and what each one calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from optimiser import __version__
from optimiser.cli.budget_command import budget
from optimiser.cli.calibrate_command import calibrate
from optimiser.cli.compare_api_command import compare_api
from optimiser.cli.levers_command import levers
from optimiser.cli.measure_commands import measure_app
from optimiser.cli.options import (
    AsOf,
    Carbon,
    Cluster,
    Confidence,
    Config,
    Embedded,
    Gpus,
    Jobs,
    ListFormat,
    Margin,
    Output,
    OutputOrFolder,
    Pareto,
    PlanFormat,
    Providers,
    Regions,
    Set,
    Store,
    Together,
    Types,
    Workload,
    Workloads,
    policy_options,
)
from optimiser.cli.prices_commands import prices_app
from optimiser.cli.refresh_command import refresh
from optimiser.cli.train_command import train

if TYPE_CHECKING:
    from optimiser.recommend import Request

app = typer.Typer(
    help="Which GPU instances to commit to, run on demand and run on spot to serve an LLM for the least money.",
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command(short_help="Fetch today's prices into the store.")(refresh)
app.command(short_help="What this machine's GPU reaches.")(calibrate)
app.command(short_help="What each technique saves.")(levers)
app.command(short_help="What training a model costs.")(train)
app.command(short_help="What a whole project costs, month by month.")(budget)
app.add_typer(prices_app, name="prices", no_args_is_help=True)
app.add_typer(measure_app, name="measure", no_args_is_help=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"optimiser {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Which GPU instances to commit to, run on demand and on spot to serve an LLM for the least money."""


@app.command(short_help="Plan a workload, or many.")
def recommend(
    workloads: Workloads,
    format_name: PlanFormat = "table",
    explain: Annotated[
        bool, typer.Option("--explain", help="Add binding rules, rejections and alternatives.")
    ] = False,
    output: OutputOrFolder = None,
    settings: Set = None,
    provider: Providers = None,
    region: Regions = None,
    gpu: Gpus = None,
    instance_type: Types = None,
    margin: Margin = None,
    confidence: Confidence = None,
    config: Config = None,
    store: Store = None,
    embedded: Embedded = False,
    as_of: AsOf = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    pareto: Pareto = None,
    together: Together = False,
    carbon: Carbon = False,
) -> None:
    """Plan a workload: what to buy, how to pay for it, what it costs and saves, how sure that is.

    Several, a directory or a 'pattern' are planned apart: a line for each, with --format json a JSON document a line.
    With --together they share what is paid all along, in one plan.
    """
    from optimiser.cli.carbon_question import check_carbon, traded
    from optimiser.cli.many_workloads import Asked, meant, recommend_many
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.pareto_question import check_axis, swept
    from optimiser.cli.question import asking, request_for, warn_of_ends
    from optimiser.cli.together_command import plan_together, refuse_together
    from optimiser.report import renderer

    many = meant(workloads)
    axis = check_axis(pareto, many, format_name) if pareto else None
    if carbon:
        check_carbon(many, format_name, pareto, together)
    render = renderer(format_name)
    if together:
        beside = {"--jobs": jobs, "--cluster": cluster, "--explain": explain, "--pareto": pareto}
        refuse_together(many, format_name, beside)
    asked = Asked(format_name=format_name, output=output, explain=explain, jobs=jobs, cluster=cluster)
    asked.check(None if together else many)
    question = asking(
        directory=config,
        as_of=as_of,
        store=store,
        embedded=embedded,
        settings=settings or (),
        options=policy_options(provider, region, gpu, instance_type, margin, confidence),
        explain=explain,
    )
    if many is not None and together:
        plan_together(many, question, format_name, output)
        return
    if many is not None:
        recommend_many(many, question, asked)
        return
    request = request_for(question, workloads[0])
    if carbon or axis is not None:
        warn_of_ends(request)
    if carbon:
        emit(traded(request, format_name, colour=wants_colour(output)), output)
        return
    if axis is not None:
        emit(swept(request, axis, format_name, colour=wants_colour(output)), output)
        return
    from optimiser import recommend as pipeline

    plan = pipeline.recommend(request)
    emit(render(plan, explain=explain, colour=wants_colour(output)), output)


app.command("compare-api", short_help="Self-hosting against token APIs.")(compare_api)


@app.command(short_help="What every instance type would do.")
def estimate(
    workload: Workload,
    format_name: ListFormat = "table",
    why: Annotated[
        str | None, typer.Option("--why", metavar="INSTANCE", help="Explain the estimate of this type.")
    ] = None,
    output: Output = None,
    settings: Set = None,
    provider: Providers = None,
    region: Regions = None,
    gpu: Gpus = None,
    instance_type: Types = None,
    margin: Margin = None,
    confidence: Confidence = None,
    config: Config = None,
    store: Store = None,
    embedded: Embedded = False,
    as_of: AsOf = None,
) -> None:
    """Every instance type for a workload: rate, latency and cost per 1M tokens, or why it is out.

    With --why the budget behind one type: its steps, memory and latency, what limits it and what would lift it.
    """
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.question import asking, request_for

    question = asking(
        directory=config,
        as_of=as_of,
        store=store,
        embedded=embedded,
        settings=settings or (),
        options=policy_options(provider, region, gpu, instance_type, margin, confidence),
    )
    asked = request_for(question, workload)
    if why is not None:
        from optimiser.cli.why_question import why_of
        from optimiser.report.why import render_why

        explained = why_of(asked, why)
        emit(render_why(format_name, asked.workload, explained, colour=wants_colour(output)), output)
    else:
        emit(_estimates(asked, format_name, colour=wants_colour(output)), output)


def _estimates(asked: Request, format_name: str, *, colour: bool) -> str:
    """Every instance type considered, as the format has it."""
    from optimiser.estimating import estimates_for
    from optimiser.performance.estimate_types import Estimate, Rejection
    from optimiser.planning.token_costs import token_costs
    from optimiser.report.estimate_list import estimate_document, estimate_rows
    from optimiser.report.records import render_records

    results = estimates_for(asked.workload, asked.config, asked.policy, each_size=True)
    serving = [result for result in results if isinstance(result, Estimate)]
    known, ages = asked.config, asked.config.settings.max_price_age_days
    costs = token_costs(serving, known.shapes, asked.book, asked.workload, asked.policy, ages)
    out = [result for result in results if isinstance(result, Rejection)]
    rows = estimate_rows(costs, out, known.shapes)
    return render_records(format_name, rows, lambda: estimate_document(asked.workload, rows), colour=colour)


@app.command(short_help="Print a JSON Schema.")
def schema(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="plan, together, policy, workload, job, training, project or budget."
        ),
    ],
    output: Output = None,
) -> None:
    """Print a JSON Schema: of the answer of `recommend` (with --together: together), `train` or `budget`, or of a file
    that you write."""
    from optimiser.cli.output import emit
    from optimiser.report.schemas import schema_text

    emit(schema_text(what), output)
