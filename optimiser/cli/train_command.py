"""`optimiser train`: what training a model costs, where, and how it is paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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
)

if TYPE_CHECKING:
    from optimiser.cli.question import Asking
    from optimiser.costing.training.train import TrainRequest

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
    from optimiser.cli.question import asking
    from optimiser.costing.training.job_file import JobFields

    question = asking(
        directory=config,
        as_of=as_of,
        store=store,
        embedded=embedded,
        settings=settings or (),
        options={
            "providers": ("--provider", provider),
            "regions": ("--region", region),
            "gpus": ("--gpu", gpu),
            "instance_types": ("--instance-type", instance_type),
            "performance_margin": ("--margin", margin),
            "performance_confidence": ("--confidence", confidence),
        },
        fields=tuple(JobFields.model_fields),
        what="job",
    )
    request = _request(question, job)
    from optimiser.costing.training.answer import train as pipeline
    from optimiser.report.train_plan import render_training

    emit(render_training(format_name, pipeline(request), colour=wants_colour(output)), output)


def _request(asked: Asking, name: str) -> TrainRequest:
    """The question that the job of that name or file asks. Raises UsageError for what is wrong in it."""
    from optimiser.cli.question import spot_past
    from optimiser.config.policy_layers import PolicyLayer, resolve_policy
    from optimiser.costing.training.job_file import check_policy, load_job
    from optimiser.costing.training.train import TrainRequest
    from optimiser.errors import UsageError

    config, book = asked.config, asked.book
    path = config.find_job(name)
    job = load_job(path, book.as_of, asked.in_workload)
    for layer in asked.typed:
        check_policy(layer.source, layer.fields)
    try:
        config.find_model(job.model)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    policy = resolve_policy(config, (PolicyLayer(f"{path}: policy", job.policy), *asked.typed), book)
    return TrainRequest(
        job=job,
        policy=policy,
        config=config,
        book=book,
        as_of=book.as_of,
        spot_past=spot_past(asked, policy),
    )
