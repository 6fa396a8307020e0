"""`optimiser compare-api WORKLOAD`: self-hosting against token APIs for the same model."""

from __future__ import annotations

from optimiser.cli.options import (
    AsOf,
    Confidence,
    Config,
    Embedded,
    Gpus,
    ListFormat,
    Margin,
    Output,
    Providers,
    Regions,
    Set,
    Store,
    Types,
    Workload,
    policy_options,
)


def compare_api(
    workload: Workload,
    format_name: ListFormat = "table",
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
    """Self-hosting a workload against token APIs for the same model: what each costs, and from which volume on which.

    Needs the extra [api]; asks no network.
    """
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.question import asking, request_for, warn_of_ends
    from optimiser.report.records import check_list_format

    check_list_format(format_name)
    question = asking(
        directory=config,
        as_of=as_of,
        store=store,
        embedded=embedded,
        settings=settings or (),
        options=policy_options(provider, region, gpu, instance_type, margin, confidence),
    )
    request = request_for(question, workload)
    warn_of_ends(request)
    from optimiser.costing.api_break_even import compare_api as pipeline
    from optimiser.report.api_comparison import render_comparison

    emit(render_comparison(format_name, pipeline(request), colour=wants_colour(output)), output)
