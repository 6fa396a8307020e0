"""`optimiser train`: what training a model costs, where, and how it is paid."""

from __future__ import annotations

from typing import Annotated

import typer

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
    policy_options,
)

Job = Annotated[str, typer.Argument(help="A training job's file, or the name of one in config/jobs.")]


def train(
    job: Job,
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
    """Pre-train or fine-tune a model: the cheapest cluster, layout, place and way to pay that end by the deadline."""
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.question import asking, spot_past
    from optimiser.costing.training.job_file import JobFields, check_policy
    from optimiser.report.records import check_list_format

    check_list_format(format_name)

    question = asking(
        directory=config,
        as_of=as_of,
        store=store,
        embedded=embedded,
        settings=settings or (),
        options=policy_options(provider, region, gpu, instance_type, margin, confidence),
        fields=tuple(JobFields.model_fields),
        what="job",
    )
    for layer in question.typed:
        check_policy(layer.source, layer.fields)
    from optimiser.costing.training.answer import train as pipeline
    from optimiser.costing.training.request import train_request
    from optimiser.report.train_plan import render_training

    request = train_request(
        question.config.find_job(job),
        question.config,
        question.book,
        question.typed,
        lambda policy: spot_past(question, policy),
        question.in_workload,
    )
    emit(render_training(format_name, pipeline(request), colour=wants_colour(output)), output)
