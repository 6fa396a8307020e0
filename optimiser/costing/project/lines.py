"""The five lines of a project, item by item and month by month, for one set of values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from optimiser.costing.project.amounts import ZERO, in_cents, total
from optimiser.costing.project.formulas import (
    MONTHS_PER_YEAR,
    energy_kwh,
    queries,
    salaries_usd,
    share_of_month,
    storage_usd,
)
from optimiser.costing.project.job_runs import RunsPaid
from optimiser.costing.project.schema import ComputeFields, ProjectFields

Values = Mapping[str, Decimal]
# USD a month of serving so many queries a month, at a confidence in throughput, None the policy's own.
Serving = Callable[[Decimal, Decimal | None], Decimal]
# What is worked out beside what the file gives: the cost of a training job, and how sure of estimates plans are.
RENTED = "rented GPUs"
JOB_USD, CONFIDENCE = "job_usd", "inference.performance_confidence"


@dataclass(frozen=True, kw_only=True)
class Item:
    """What one thing costs in each month of the horizon, USD in whole cents."""

    line: str
    item: str
    monthly: tuple[Decimal, ...]

    @property
    def total(self) -> Decimal:
        """USD over the horizon."""
        return total(self.monthly)


def items_of(
    fields: ProjectFields, values: Values, serving: Serving | None, jobs: Mapping[str, RunsPaid]
) -> tuple[Item, ...]:
    """Every item of every line that the project has, in order. serving is needed where a workload is served; jobs are
    the sections whose runs are paid together, and not each for itself.
    """
    parts = {
        "data": _data(fields, values),
        "training": _training(fields, values, jobs),
        "inference": _inference(fields, values, serving),
        "maintenance": _maintenance(fields, values, jobs),
        "engineering": _engineering(fields, values),
    }
    return tuple(
        Item(line=line, item=name, monthly=tuple(map(in_cents, monthly)))
        for line, rows in parts.items()
        for name, monthly in rows
    )


def monthly_queries(fields: ProjectFields, values: Values) -> list[Decimal]:
    """Queries of each month, 0 before the service begins."""
    inference = fields.inference
    if inference is None:
        return [ZERO] * fields.months
    users, a_day = values["inference.users"], values["inference.queries_per_user_day"]
    growth, begins = values["inference.growth_per_month"], inference.from_month - 1
    return [
        queries(users, growth, month - begins, a_day) if month >= begins else ZERO
        for month in range(fields.months)
    ]


def _data(fields: ProjectFields, values: Values) -> Iterator[tuple[str, list[Decimal]]]:
    data = fields.data
    if data is None:
        return
    first, tb = data.month - 1, values["data.tb"]

    def once(usd: Decimal) -> list[Decimal]:
        return [usd if month == first else ZERO for month in range(fields.months)]

    given = data.model_fields_set
    if given & {"licensing_usd", "licensing_usd_per_month"}:
        bought, kept = once(values["data.licensing_usd"]), values["data.licensing_usd_per_month"]
        yield "licensing", [usd + (kept if month >= first else ZERO) for month, usd in enumerate(bought)]
    if "collection_usd_per_tb" in given:
        yield "collection", once(tb * values["data.collection_usd_per_tb"])
    if given & {"labelling_usd_per_tb", "labelling_usd_per_item"}:
        by_item = values["data.items"] * values["data.labelling_usd_per_item"]
        yield "labelling", once(tb * values["data.labelling_usd_per_tb"] + by_item)
    if data.storage is not None:
        kept_tb = values.get("data.storage.tb", tb)
        price, growth = values["data.storage.usd_per_gb_month"], values["data.storage.growth_per_month"]
        yield (
            "storage",
            [
                storage_usd(kept_tb, price, growth, month - first) if month >= first else ZERO
                for month in range(fields.months)
            ],
        )


def compute_usd(name: str, compute: ComputeFields, values: Values) -> list[tuple[str, Decimal]]:
    """What one run of the compute section of that name costs, USD by item.

    GPU-hours are given, or GPUs × hours. Rented: GPU-hours × USD per GPU-hour, or what the job's own plan costs. Owned:
    kW per GPU × GPU-hours × PUE × USD/kWh, and GPU-hours × depreciation per GPU-hour where that is given.
    """
    if compute.owned is None and compute.usd_per_gpu_hour is None:
        return [(RENTED, values[f"{name}.{JOB_USD}"])]
    gpu_hours = gpu_hours_of(name, values)
    if compute.owned is None:
        return [(RENTED, gpu_hours * values[f"{name}.usd_per_gpu_hour"])]
    owned = f"{name}.owned"
    kwh = energy_kwh(values[f"{owned}.kw_per_gpu"], gpu_hours, values[f"{owned}.pue"])
    items = [("energy of owned GPUs", kwh * values[f"{owned}.usd_per_kwh"])]
    if "capital_usd_per_gpu_hour" in compute.owned.model_fields_set:
        items.append(("depreciation of owned GPUs", gpu_hours * values[f"{owned}.capital_usd_per_gpu_hour"]))
    return items


def gpu_hours_of(name: str, values: Values) -> Decimal:
    """GPU-hours of one run of the compute section of that name: given, or GPUs × hours."""
    given = values.get(f"{name}.gpu_hours")
    return values[f"{name}.gpus"] * values[f"{name}.hours"] if given is None else given


def _training(
    fields: ProjectFields, values: Values, jobs: Mapping[str, RunsPaid]
) -> Iterator[tuple[str, list[Decimal]]]:
    training = fields.training
    if training is None:
        return
    begins, months = training.from_month - 1, training.months
    together = jobs.get("training")
    if together is not None:
        paid = [(RENTED, together.usd(values))]
    else:
        paid = [
            (item, usd * values["training.runs"]) for item, usd in compute_usd("training", training, values)
        ]
    for item, usd in paid:
        a_month = usd / months
        yield item, [a_month if begins <= month < begins + months else ZERO for month in range(fields.months)]


def _inference(
    fields: ProjectFields, values: Values, serving: Serving | None
) -> Iterator[tuple[str, list[Decimal]]]:
    """Queries × USD per query; of a workload what serving plans of that volume cost."""
    if fields.inference is None:
        return
    volumes = monthly_queries(fields, values)
    if "inference.usd_per_query" in values:
        yield "serving", [volume * values["inference.usd_per_query"] for volume in volumes]
        return
    if serving is None:
        raise ValueError("a workload is served and nothing says at what cost")
    confidence = values.get(CONFIDENCE)
    yield "serving", [serving(volume, confidence) if volume else ZERO for volume in volumes]


def _maintenance(
    fields: ProjectFields, values: Values, jobs: Mapping[str, RunsPaid]
) -> Iterator[tuple[str, list[Decimal]]]:
    """Of each month cycles a year / 12 × what a cycle costs; what cycles pay together spread evenly."""
    maintenance = fields.maintenance
    if maintenance is None:
        return
    cycles = values["maintenance.cycles_per_year"] / MONTHS_PER_YEAR
    each: list[tuple[str, Decimal]] = []
    together = jobs.get("maintenance.retraining")
    months, begins = fields.months, maintenance.from_month - 1
    if together is not None:
        a_month = together.usd(values) / (months - begins)
        yield f"retraining: {RENTED}", [a_month if month >= begins else ZERO for month in range(months)]
    elif maintenance.retraining is not None:
        retraining = compute_usd("maintenance.retraining", maintenance.retraining, values)
        each += [(f"retraining: {item}", usd) for item, usd in retraining]
    given = maintenance.model_fields_set
    if given & {"usd_per_tb", "new_data_usd"}:
        by_tb = values["maintenance.new_data_tb"] * values["maintenance.usd_per_tb"]
        each.append(("new data", by_tb + values["maintenance.new_data_usd"]))
    if "labelling_usd_per_item" in given:
        labelling = values["maintenance.items"] * values["maintenance.labelling_usd_per_item"]
        each.append(("labelling", labelling))
    for item, usd in each:
        yield item, [cycles * usd if month >= begins else ZERO for month in range(months)]


def _engineering(fields: ProjectFields, values: Values) -> Iterator[tuple[str, list[Decimal]]]:
    for at, role in enumerate(fields.engineering):
        name = f"engineering[{at}]"
        a_month = salaries_usd(
            values[f"{name}.people"], values[f"{name}.salary_usd_per_year"], values[f"{name}.overhead"]
        )
        lasts = values.get(f"{name}.months", Decimal(fields.months))
        yield (
            role.role,
            [a_month * share_of_month(month, role.from_month - 1, lasts) for month in range(fields.months)],
        )
