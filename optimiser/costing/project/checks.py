"""What a project file gets wrong, in the words of one message."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from optimiser.costing.project.schema import (
    LINES,
    SECTIONS,
    ComputeFields,
    InferenceFields,
    ProjectFields,
)
from optimiser.errors import UsageError, bad_value
from optimiser.field_faults import first_fault

_MOST_GROWTH = 1_000_000


def validated(where: str, raw: dict[str, Any]) -> ProjectFields:
    """The fields of one project file, each by itself; UsageError names the first wrong one and what would be right."""
    try:
        return ProjectFields.model_validate(raw)
    except ValidationError as error:
        raise first_fault(where, error, SECTIONS) from None


def check_together(where: str, fields: ProjectFields) -> None:
    """UsageError for the first fields that do not go together."""
    if not any(getattr(fields, line) for line in LINES):
        raise UsageError(f"{where}: there is no line to add up: give one or more of {', '.join(LINES)}")
    _check_months(where, fields)
    _check_costs(where, fields)
    _check_growth(where, fields)
    _check_data(where, fields)
    if fields.training is not None:
        _check_compute(where, "training", fields.training)
    if fields.maintenance is not None and fields.maintenance.retraining is not None:
        _check_compute(where, "maintenance.retraining", fields.maintenance.retraining)
    if fields.inference is not None:
        _check_inference(where, fields.inference)


def _check_months(where: str, fields: ProjectFields) -> None:
    """Everything begins, and training ends, within the horizon."""
    parts = {"training": fields.training, "inference": fields.inference, "maintenance": fields.maintenance}
    begins = {f"{line}.from_month": part.from_month for line, part in parts.items() if part is not None}
    begins |= {f"engineering[{at}].from_month": role.from_month for at, role in enumerate(fields.engineering)}
    if fields.data is not None:
        begins["data.month"] = fields.data.month
    for name, month in begins.items():
        if month > fields.months:
            raise bad_value(where, name, month, f"within the horizon: at most months = {fields.months}")
    training = fields.training
    if training is not None and training.from_month + training.months - 1 > fields.months:
        right = f"ends after the horizon: from_month + months − 1 is at most months = {fields.months}"
        raise bad_value(where, "training.months", training.months, right)


def _check_costs(where: str, fields: ProjectFields) -> None:
    """A line has something to pay for."""
    for name, section, others in (
        ("data", fields.data, {"tb", "items", "month"}),
        ("maintenance", fields.maintenance, {"cycles_per_year", "from_month", "new_data_tb", "items"}),
    ):
        if section is not None and not section.model_fields_set - others:
            priced = ", ".join(one for one in type(section).model_fields if one not in others)
            raise UsageError(f"{where}: {name}: nothing in it costs anything: give one or more of {priced}")


def _check_growth(where: str, fields: ProjectFields) -> None:
    """Nothing grows beyond reason within the horizon."""
    storage = fields.data.storage if fields.data is not None else None
    for name, section in (("inference", fields.inference), ("data.storage", storage)):
        if section is not None and (1 + section.growth_per_month.high) ** fields.months > _MOST_GROWTH:
            growth = float(section.growth_per_month.high)
            right = f"over {fields.months} months that is more than {_MOST_GROWTH:,} times as much: 0.05 is 5 % a month"
            raise bad_value(where, f"{name}.growth_per_month", growth, right)


def _check_data(where: str, fields: ProjectFields) -> None:
    """What is paid by the TB or item is given with how many there are."""
    pairs: list[tuple[str, BaseModel | None, str, tuple[str, ...]]] = [
        ("data", fields.data, "tb", ("collection_usd_per_tb", "labelling_usd_per_tb")),
        ("data", fields.data, "items", ("labelling_usd_per_item",)),
        ("maintenance", fields.maintenance, "new_data_tb", ("usd_per_tb",)),
        ("maintenance", fields.maintenance, "items", ("labelling_usd_per_item",)),
    ]
    for line, section, amount, prices in pairs:
        given = set() if section is None else section.model_fields_set
        for price in prices:
            if price in given and amount not in given:
                raise UsageError(f"{where}: {line}.{amount} is missing: it goes with {line}.{price}")
    data = fields.data
    if (
        data is not None
        and data.storage is not None
        and data.storage.tb is None
        and "tb" not in data.model_fields_set
    ):
        raise UsageError(f"{where}: data.storage.tb is missing: it goes with data.storage.usd_per_gb_month")


def _check_compute(where: str, field: str, compute: ComputeFields) -> None:
    """GPU-hours come one way, and are paid one way: rented at a price, or owned and fed with energy."""
    given = compute.model_fields_set
    for name, other in (("gpus", "hours"), ("hours", "gpus")):
        if name in given and other not in given:
            raise UsageError(f"{where}: {field}.{other} is missing: it goes with {field}.{name}")
    ways = [name for name in ("job", "gpu_hours", "gpus") if getattr(compute, name) is not None]
    if len(ways) != 1:
        raise _not_one_way(where, field, ways, "job, gpu_hours, gpus with hours")
    if compute.owned is not None and compute.usd_per_gpu_hour is not None:
        price = float(compute.usd_per_gpu_hour.expected)
        right = "owned hardware pays for energy and a cloud's price holds it already: give owned or this, never both"
        raise bad_value(where, f"{field}.usd_per_gpu_hour", price, right)
    if compute.job is None and compute.owned is None and compute.usd_per_gpu_hour is None:
        right = "usd_per_gpu_hour (rented) or owned (energy of your own machines)"
        raise UsageError(f"{where}: {field}: what the GPU-hours cost is missing: {right}")


def _not_one_way(where: str, field: str, ways: list[str], right: str) -> UsageError:
    given = f"{' and '.join(ways)} are given" if ways else "none is given"
    return UsageError(f"{where}: {field}: {given}: exactly one of {right}")


def _check_inference(where: str, inference: InferenceFields) -> None:
    """The cost of a query comes one way."""
    ways = [name for name in ("workload", "usd_per_query") if getattr(inference, name) is not None]
    if len(ways) != 1:
        raise _not_one_way(where, "inference", ways, "workload, usd_per_query")
    if inference.workload is not None and inference.tokens_per_query is not None:
        tokens = float(inference.tokens_per_query.expected)
        raise bad_value(
            where, "inference.tokens_per_query", tokens, "the workload says it already: leave it out"
        )
    if inference.usd_per_query is not None and inference.policy:
        right = "is of serving plans, and usd_per_query makes none: leave it out"
        raise bad_value(where, "inference.policy", inference.policy, right)
