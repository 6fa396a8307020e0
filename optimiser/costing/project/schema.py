"""A project file as its author writes it. Every amount is a number, or {low, expected, high}. Months count from 1.

    name: support-assistant         required
    description, source: …          optional; free text
    currency: USD                   optional; prices are in USD, so nothing else is
    months: 24                      required; the horizon, 1 to 120
    start: 2026-12                  required; the first month
    data:                           (1)
      tb, items                     how much is collected, TB of 1,000 GB; how many examples are labelled
      licensing_usd                 once, in `month` (1), as are collection and labelling
      licensing_usd_per_month
      collection_usd_per_tb, labelling_usd_per_tb, labelling_usd_per_item
      storage: {tb, usd_per_gb_month, growth_per_month}   tb: that of data where absent; from `month` on
    training:                       (2)
      job: NAME or FILE             an `optimiser train` job; or gpu_hours; or gpus with hours
      usd_per_gpu_hour              the cloud's price; else `owned`, and with a job what its plan pays
      owned: {kw_per_gpu, usd_per_kwh, pue, capital_usd_per_gpu_hour}
      runs: 1                       how often it is run, failed and trial runs among them
      from_month: 1, months: 1      spread evenly; commitments of a job in whole terms for all runs
    inference:                      (3)
      workload: NAME or FILE        one query is one request of it; or usd_per_query, with tokens_per_query for $/1M
      users, queries_per_user_day   as it begins
      growth_per_month              of users, a share
      from_month: 1                 when it begins
      policy: {…}                   fields of the policy for the serving plans
      volumes: 8                    how many volumes are planned, 4 to 60; between two, a straight line
    maintenance:                    (4)
      cycles_per_year               spread evenly from from_month (1) on
      retraining: {…}               as training, without runs and months
      new_data_tb, usd_per_tb, new_data_usd, items, labelling_usd_per_item   each of a cycle
    engineering:                    (5) a list of
      - {role, people, salary_usd_per_year, overhead: 1, from_month: 1, months}   months: to the end where absent
    buy_or_rent:                    optional, beside the lines
      gpu: H100                     as in gpus.yaml
      gpus_per_server: 8, servers, usd_per_server, depreciation_months, residual_share: 0
      discount_rate_per_year        cost of capital; the policy's where absent
      kw_per_server, usd_per_kwh, pue, hosting_usd_per_kw_month, staff_usd_per_month: 0
      utilisation                   share of the hours in which they work
      idle_power_share: 1           of kw_per_server, drawn where they do not
      provider, region              optional; rent there alone

Files are named relative to the project file.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from optimiser.costing.project.amounts import ONE, ZERO, Range, exactly, range_of
from optimiser.field_faults import ONE_LINE
from optimiser.workload.demand_fields import Section, not_bool

LINES = ("data", "training", "inference", "maintenance", "engineering")

# How `optimiser schema project` has an amount and its default; bounds are looked at by range_of alone.
_WRITTEN = PlainSerializer(lambda amount: float(amount.expected), return_type=float)
_CASES = {name: {"type": "number"} for name in ("low", "expected", "high")}
_AMOUNT = WithJsonSchema(
    {
        "anyOf": [
            {"type": "number"},
            {
                "type": "object",
                "properties": _CASES,
                "required": list(_CASES),
                "additionalProperties": False,
            },
        ]
    }
)
Amount = Annotated[Range, PlainValidator(partial(range_of, least=ZERO)), _AMOUNT, _WRITTEN]
Positive = Annotated[Range, PlainValidator(partial(range_of, least=ZERO, above=True)), _AMOUNT, _WRITTEN]
Share = Annotated[Range, PlainValidator(partial(range_of, least=ZERO, most=ONE)), _AMOUNT, _WRITTEN]
Used = Annotated[
    Range, PlainValidator(partial(range_of, least=ZERO, most=ONE, above=True)), _AMOUNT, _WRITTEN
]
Factor = Annotated[Range, PlainValidator(partial(range_of, least=ONE, most=Decimal(10))), _AMOUNT, _WRITTEN]
Pue = Annotated[Range, PlainValidator(partial(range_of, least=ONE, most=Decimal(3))), _AMOUNT, _WRITTEN]
Growth = Annotated[
    Range, PlainValidator(partial(range_of, least=-ONE, most=Decimal(10), above=True)), _AMOUNT, _WRITTEN
]
Month = Annotated[int, BeforeValidator(not_bool), Field(ge=1, le=120)]
Count = Annotated[int, BeforeValidator(not_bool), Field(ge=1, le=1_000_000)]
NONE, JUST_ONE = exactly(ZERO), exactly(ONE)


_MONTH = r"^2\d{3}-(0[1-9]|1[0-2])$"


def _month(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(_MONTH, value):
        raise ValueError("a year and a month from 01 to 12, without a day")
    return value


class StorageFields(Section):
    tb: Amount | None = Field(default=None, description="TB of 1,000 GB; that of data where absent")
    usd_per_gb_month: Amount = Field(description="USD per GB and month")
    growth_per_month: Growth = Field(default=NONE, description="growth a month, such as 0.05")


class DataFields(Section):
    tb: Amount = Field(default=NONE, description="TB collected")
    items: Amount = Field(default=NONE, description="examples labelled")
    licensing_usd: Amount = Field(default=NONE, description="USD once")
    licensing_usd_per_month: Amount = Field(default=NONE, description="USD a month")
    collection_usd_per_tb: Amount = Field(default=NONE, description="USD per TB")
    labelling_usd_per_tb: Amount = Field(default=NONE, description="USD per TB")
    labelling_usd_per_item: Amount = Field(default=NONE, description="USD per example")
    storage: StorageFields | None = Field(default=None, description="usd_per_gb_month, tb, growth_per_month")
    month: Month = Field(default=1, description="the month in which it is collected, from 1")


class OwnedFields(Section):
    kw_per_gpu: Positive = Field(description="kW of a GPU with its share of the server")
    usd_per_kwh: Amount = Field(description="USD per kWh")
    pue: Pue = Field(description="what the building draws over what machines do, 1 to 3")
    capital_usd_per_gpu_hour: Amount = Field(default=NONE, description="depreciation per GPU-hour")


class ComputeFields(Section):
    job: str | None = Field(default=None, min_length=1, description="an `optimiser train` job's name or file")
    gpu_hours: Amount | None = Field(default=None, description="GPUs × hours")
    gpus: Positive | None = Field(default=None, description="GPUs at once; goes with hours")
    hours: Amount | None = Field(default=None, description="hours each GPU works; goes with gpus")
    usd_per_gpu_hour: Amount | None = Field(default=None, description="the cloud's price of a GPU-hour")
    owned: OwnedFields | None = Field(default=None, description="kw_per_gpu, usd_per_kwh and pue")


class TrainingFields(ComputeFields):
    runs: Positive = Field(default=JUST_ONE, description="how often it is run")
    from_month: Month = Field(default=1, description="the month it begins in, from 1")
    months: Month = Field(default=1, description="months it is spread over")


class InferenceFields(Section):
    workload: str | None = Field(default=None, min_length=1, description="a workload's name or file")
    usd_per_query: Amount | None = Field(
        default=None, description="USD per query, in the place of a workload"
    )
    tokens_per_query: Positive | None = Field(default=None, description="prompt and output of a query")
    users: Positive = Field(description="users as it begins")
    queries_per_user_day: Positive = Field(description="queries of a user and day")
    growth_per_month: Growth = Field(default=NONE, description="growth of users a month, such as 0.05")
    from_month: Month = Field(default=1, description="the month it begins in, from 1")
    policy: dict[str, Any] = Field(default_factory=dict, description="fields of the policy")
    volumes: Annotated[int, BeforeValidator(not_bool)] = Field(
        default=8, ge=4, le=60, description="volumes that a serving plan is made for, 4 to 60"
    )


class MaintenanceFields(Section):
    cycles_per_year: Amount = Field(description="cycles a year")
    from_month: Month = Field(default=1, description="the month it begins in, from 1")
    retraining: ComputeFields | None = Field(default=None, description="job, or gpu_hours with their price")
    new_data_tb: Amount = Field(default=NONE, description="TB of new data a cycle")
    usd_per_tb: Amount = Field(default=NONE, description="USD per TB of new data")
    new_data_usd: Amount = Field(default=NONE, description="USD a cycle for new data")
    items: Amount = Field(default=NONE, description="examples labelled a cycle")
    labelling_usd_per_item: Amount = Field(default=NONE, description="USD per example")


class RoleFields(Section):
    role: str = Field(min_length=1, pattern=ONE_LINE, description="what they do")
    people: Amount = Field(description="how many")
    salary_usd_per_year: Amount = Field(description="USD a year each")
    overhead: Factor = Field(default=JUST_ONE, description="what an employer pays over the salary, 1 to 10")
    from_month: Month = Field(default=1, description="the month they begin in, from 1")
    months: Positive | None = Field(default=None, description="months each; to the end where absent")


class BuyOrRentFields(Section):
    gpu: str = Field(min_length=1, description="a GPU in gpus.yaml")
    gpus_per_server: Count = Field(default=8, description="GPUs of a server")
    servers: Count = Field(description="servers bought")
    usd_per_server: Positive = Field(description="USD of a server as it is paid, network and storage with it")
    depreciation_months: Positive = Field(description="months over which it is written off")
    residual_share: Share = Field(default=NONE, description="of its price, what it is then sold for")
    discount_rate_per_year: Share | None = Field(
        default=None, description="yearly cost of capital, 0 to 1; the policy's where absent"
    )
    kw_per_server: Positive = Field(description="kW of a server at work")
    usd_per_kwh: Amount = Field(description="USD per kWh")
    pue: Pue = Field(description="what the building draws over what machines do, 1 to 3")
    hosting_usd_per_kw_month: Amount = Field(description="USD per kW of the server and month")
    staff_usd_per_month: Amount = Field(default=NONE, description="USD a month, for all servers")
    utilisation: Used = Field(description="share of the hours in which they work")
    idle_power_share: Share = Field(default=JUST_ONE, description="of kw_per_server, where they do not work")
    provider: str | None = Field(default=None, min_length=1, description="rent from it alone")
    region: str | None = Field(default=None, min_length=1, description="rent there alone")


class ProjectFields(Section):
    name: str = Field(min_length=1, pattern=ONE_LINE, description="what the project is called")
    description: str = Field(default="", description="free text")
    source: str = Field(default="", description="where the figures come from")
    currency: Literal["USD"] = Field(default="USD", description="prices are in USD")
    months: Month = Field(description="the horizon in months, 1 to 120")
    start: Annotated[str, BeforeValidator(_month)] = Field(
        pattern=_MONTH, description="the first month, such as 2026-12"
    )
    data: DataFields | None = Field(default=None, description="licensing, collection, labelling, storage")
    training: TrainingFields | None = Field(default=None, description="job, or gpu_hours with their price")
    inference: InferenceFields | None = Field(default=None, description="workload, users and their queries")
    maintenance: MaintenanceFields | None = Field(default=None, description="cycles_per_year and their cost")
    engineering: tuple[RoleFields, ...] = Field(default=(), description="a list of roles")
    buy_or_rent: BuyOrRentFields | None = Field(
        default=None, description="owned servers to set against renting"
    )


SECTIONS: dict[tuple[str, ...], type[BaseModel]] = {
    (): ProjectFields,
    ("data",): DataFields,
    ("data", "storage"): StorageFields,
    ("training",): TrainingFields,
    ("training", "owned"): OwnedFields,
    ("inference",): InferenceFields,
    ("maintenance",): MaintenanceFields,
    ("maintenance", "retraining"): ComputeFields,
    ("maintenance", "retraining", "owned"): OwnedFields,
    ("engineering",): RoleFields,
    ("buy_or_rent",): BuyOrRentFields,
}
