"""`optimiser levers WORKLOAD`: what each technique saves, alone and together; or two models beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from optimiser.cli.options import (
    AsOf,
    Config,
    Embedded,
    Gpus,
    ListFormat,
    Output,
    Providers,
    Regions,
    Set,
    Store,
    Types,
    Workload,
    policy_options,
)
from optimiser.errors import UsageError, bad_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optimiser.config import Config as LoadedConfig
    from optimiser.costing.levers.lever import Given, Lever
    from optimiser.recommend import Request


Only = Annotated[
    str | None, typer.Option("--only", metavar="NAME,...", help="Only these levers, or groups of them.")
]
Distil = Annotated[
    str | None,
    typer.Option("--distil", metavar="MODEL", help="The smaller model (default: next size down)."),
]
Architecture = Annotated[
    str | None,
    typer.Option(
        "--architecture", metavar="MODEL", help="A model of the same class of another architecture."
    ),
]
PruneShare = Annotated[
    float, typer.Option("--prune-share", metavar="SHARE", help="Of layers, or of feed-forward width.")
]
PrefixHit = Annotated[
    float | None,
    typer.Option("--prefix-hit", metavar="SHARE", help="Of prompt tokens, found in a KV cache."),
]
ResponseHit = Annotated[
    float | None,
    typer.Option("--response-hit", metavar="SHARE", help="Of requests, answered from a cache of answers."),
]
AcceptedTokens = Annotated[
    float | None,
    typer.Option(
        "--accepted-tokens", metavar="N", help="Tokens gained per step with drafts; needs the next."
    ),
]
DraftTokens = Annotated[
    int | None, typer.Option("--draft-tokens", metavar="N", help="Tokens proposed per step, 1 to 16.")
]
DraftParameters = Annotated[
    float | None,
    typer.Option(
        "--draft-parameters", metavar="N", help="Weights of the draft (default: a layer and the head)."
    ),
]
CompareModel = Annotated[
    str | None,
    typer.Option(
        "--compare-model", metavar="MODEL", help="Instead: KV cache, FLOPs and rate beside this model."
    ),
]
KvBits = Annotated[
    float, typer.Option("--kv-bits", metavar="BITS", help="Of the compared model's narrowest KV cache.")
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", metavar="N", min=1, help="Plan so many at a time (default: by plans and cores)."),
]


def levers(
    workload: Workload,
    format_name: ListFormat = "table",
    only: Only = None,
    distil: Distil = None,
    architecture: Architecture = None,
    prune_share: PruneShare = 0.25,
    prefix_hit: PrefixHit = None,
    response_hit: ResponseHit = None,
    accepted_tokens: AcceptedTokens = None,
    draft_tokens: DraftTokens = None,
    draft_parameters: DraftParameters = None,
    compare_model: CompareModel = None,
    kv_bits: KvBits = 8.0,
    output: Output = None,
    settings: Set = None,
    provider: Providers = None,
    region: Regions = None,
    gpu: Gpus = None,
    instance_type: Types = None,
    config: Config = None,
    store: Store = None,
    embedded: Embedded = False,
    as_of: AsOf = None,
    jobs: Jobs = None,
) -> None:
    """What each technique saves on this workload in money, latency and energy, with its price in quality.

    The workload is planned again under each lever alone, then under those that save, added one at a time.
    """
    from optimiser.cli.output import emit, wants_colour
    from optimiser.cli.question import asking, request_for, warn_of_ends
    from optimiser.config.levers import load_lever_facts
    from optimiser.costing.levers.lever import Given
    from optimiser.report.records import check_list_format

    check_list_format(format_name)
    if compare_model is not None and only is not None:
        raise UsageError(
            "--compare-model sets two models beside each other and pulls no lever: leave out --only"
        )
    _check_shares(prune_share, prefix_hit, response_hit)
    _check_drafts(accepted_tokens, draft_tokens, draft_parameters)
    if not 1 <= kv_bits <= 16:
        raise bad_value("--kv-bits", "bits", kv_bits, "from 1 to 16")
    question = asking(
        directory=config,
        as_of=as_of,
        store=store,
        embedded=embedded,
        settings=settings or (),
        options=policy_options(provider, region, gpu, instance_type),
    )
    models = {"--distil": distil, "--architecture": architecture, "--compare-model": compare_model}
    _check_models(question.config, models)
    chosen = _chosen(only, question.config)
    request = request_for(question, workload)
    colour = wants_colour(output)
    if compare_model is not None:
        emit(_beside(request, compare_model, kv_bits, format_name, colour=colour), output)
        return
    given = Given(
        facts=load_lever_facts(question.config.directories, question.config.models),
        distil=distil,
        architecture=architecture,
        prune_share=prune_share,
        prefix_hit=prefix_hit,
        response_hit=response_hit,
        accepted_tokens=accepted_tokens,
        draft_tokens=draft_tokens,
        draft_parameters=draft_parameters,
    )
    warn_of_ends(request)
    emit(_studied(request, given, chosen, jobs, format_name, colour=colour), output)


def _beside(request: Request, model: str, kv_bits: float, format_name: str, *, colour: bool) -> str:
    """The workload's model beside the other one, as the format has it."""
    from optimiser.costing.architecture import compared
    from optimiser.report.architecture_list import render_compared

    found = compared(request, model, kv_bits)
    return render_compared(format_name, request.workload.name, found, colour=colour)


def _studied(
    request: Request,
    given: Given,
    chosen: Sequence[Lever],
    jobs: int | None,
    format_name: str,
    *,
    colour: bool,
) -> str:
    """What the levers save, as the format has it."""
    from optimiser.costing.levers.study import study
    from optimiser.report.levers_list import lever_rows
    from optimiser.report.levers_page import levers_document
    from optimiser.report.records import render_records

    pulled = study(request, given, chosen, jobs)
    rows = lever_rows(request.workload.name, pulled, given.facts)
    return render_records(format_name, rows, lambda: levers_document(rows, pulled), colour=colour)


def _check_shares(prune: float, prefix: float | None, response: float | None) -> None:
    """Raises UsageError for a share that is none."""
    for option, value in (("--prune-share", prune), ("--prefix-hit", prefix), ("--response-hit", response)):
        if value is not None and not 0 < value < 1:
            raise bad_value(option, "share", value, "above 0 and below 1, such as 0.3")


def _check_drafts(accepted: float | None, proposed: int | None, parameters: float | None) -> None:
    """Raises UsageError for one of the two without the other, and for more accepted than proposed."""
    if (accepted is None) != (proposed is None):
        raise UsageError(
            "--accepted-tokens and --draft-tokens go together: tokens gained and proposed per step"
        )
    if parameters is not None and not 0 <= parameters <= 1e12:
        raise bad_value("--draft-parameters", "weights", parameters, "from 0 (drafts are looked up) to 1e12")
    if accepted is None or proposed is None:
        return
    if not 1 <= proposed <= 16:
        raise bad_value("--draft-tokens", "tokens", proposed, "from 1 to 16")
    if not 1 <= accepted <= proposed + 1:
        raise bad_value(
            "--accepted-tokens", "tokens", accepted, f"from 1 to draft tokens + 1 = {proposed + 1}"
        )


def _check_models(config: LoadedConfig, named: Mapping[str, str | None]) -> None:
    """Raises UsageError, naming the option, for a model that is unknown."""
    for option, name in named.items():
        try:
            if name is not None:
                config.find_model(name)
        except UsageError as error:
            raise UsageError(f"{option}: {error}") from None


def _chosen(only: str | None, config: LoadedConfig) -> tuple[Lever, ...]:
    """The levers that --only names. Raises UsageError for a name of none."""
    from optimiser.costing.levers import levers_for
    from optimiser.costing.levers.study import chosen

    names = None if only is None else [name.strip() for name in only.split(",")]
    try:
        return chosen(names, levers_for(config))
    except UsageError as error:
        raise UsageError(f"--only: {error}") from None
