"""The options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Workload = Annotated[str, typer.Argument(help="A workload file, or the name of one in config/workloads.")]
Workloads = Annotated[
    list[str],
    typer.Argument(
        metavar="WORKLOAD...", help="Workload files, names in config/workloads, directories or 'patterns'."
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", metavar="N", min=1, help="Of several workloads, plan so many at a time (default: cores)."
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster", metavar="ADDRESS", help="Plan several on a cluster: dask://HOST:PORT or ray://HOST:PORT."
    ),
]
Together = Annotated[
    bool, typer.Option("--together", help="Plan several as one fleet that shares what is paid all along.")
]
OutputOrFolder = Annotated[
    Path | None,
    typer.Option(metavar="FILE|DIR", help="Write there instead of to stdout; several plans, a file each."),
]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="DIR", help="Your own config, laid over the built-in one.")
]
Output = Annotated[Path | None, typer.Option(metavar="FILE", help="Write there instead of to stdout.")]
AsOf = Annotated[str | None, typer.Option(metavar="DATE", help="Plan as if today were this date.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Override a field of the policy or workload."),
]
Providers = Annotated[
    list[str] | None, typer.Option("--provider", metavar="NAME", help="Only this provider (repeatable).")
]
Regions = Annotated[
    list[str] | None, typer.Option("--region", metavar="NAME", help="Only this region (repeatable).")
]
Gpus = Annotated[list[str] | None, typer.Option("--gpu", metavar="NAME", help="Only this GPU (repeatable).")]
Types = Annotated[
    list[str] | None,
    typer.Option("--instance-type", metavar="NAME", help="Only this instance type (repeatable)."),
]
Tiers = Annotated[
    list[str] | None,
    typer.Option("--tier", metavar="NAME", help="Only on_demand, spot or reserved (repeatable)."),
]
Margin = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="Taken off every estimated rate, instead of what --confidence asks."),
]
Confidence = Annotated[
    str | None,
    typer.Option(
        metavar="SHARE",
        help="Plan on rates that this share of estimates reach: from 0.5 to below 1, 0.75 unless told.",
    ),
]
Pareto = Annotated[
    str | None,
    typer.Option(
        "--pareto", metavar="spot|margin|carbon", help="Cost against spot, caution or carbon: a plan each."
    ),
]
Carbon = Annotated[
    bool, typer.Option("--carbon", help="The cheapest plan, the greenest, and what a tonne avoided costs.")
]
PlanFormat = Annotated[
    str, typer.Option("--format", metavar="table|json|markdown|csv|gateway", help="How to show it.")
]
ListFormat = Annotated[str, typer.Option("--format", metavar="table|json|csv", help="How to show it.")]
Store = Annotated[
    str | None,
    typer.Option("--store", metavar="URL", help="The price store, such as postgresql://user@host/prices."),
]
Embedded = Annotated[
    bool,
    typer.Option(
        "--embedded", help="Also use the embedded price snapshot where the store has nothing newer."
    ),
]


def policy_options(
    providers: list[str] | None,
    regions: list[str] | None,
    gpus: list[str] | None,
    instance_types: list[str] | None,
    margin: str | None = None,
    confidence: str | None = None,
) -> dict[str, tuple[str, list[str] | str | None]]:
    """The policy field behind each option, the option's own name for messages, and what was typed."""
    return {
        "providers": ("--provider", providers),
        "regions": ("--region", regions),
        "gpus": ("--gpu", gpus),
        "instance_types": ("--instance-type", instance_types),
        "performance_margin": ("--margin", margin),
        "performance_confidence": ("--confidence", confidence),
    }
