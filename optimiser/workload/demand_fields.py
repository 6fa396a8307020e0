"""Demand and its scenarios as the author of a workload file writes them, described in `optimiser.workload.schema`."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from optimiser.errors import UsageError, bad_value
from optimiser.field_faults import ONE_LINE

DEMAND_KINDS = ("requests_per_second", "hourly_requests_per_second", "profile", "trace", "batch")
SCENARIO_KINDS = ("scale", "grow_per_month", "bad_day", "quantile", "demand")
# What a sum of probabilities may be off 1 by, for thirds that are written down to six digits.
_SUM_TOLERANCE = 1e-6
BUSIEST = "busiest"


def not_bool(value: object) -> object:
    # Python takes true for 1 and YAML takes `yes` for true: neither is a rate or a length.
    if isinstance(value, bool):
        raise ValueError("a number, not true or false")
    return value


def _not_number(value: object) -> object:
    # 20260105 would be taken for seconds since 1970.
    if isinstance(value, (int, float)):
        raise ValueError("a time")
    return value


def _clock_time(value: object) -> object:
    # YAML 1.1 reads an unquoted 22:00 as the base-60 integer 1320.
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value // 60:02d}:{value % 60:02d}"
    return value


def _day(value: object) -> object:
    # YAML reads an unquoted 2026-01-06 as a date.
    text = value.isoformat() if isinstance(value, date) else value
    if isinstance(text, str) and text != BUSIEST:
        try:
            date.fromisoformat(text)
        except ValueError:
            raise ValueError(f"a date, or {BUSIEST}") from None
    return text


Positive = Annotated[float, BeforeValidator(not_bool), Field(gt=0)]
NotNegative = Annotated[float, BeforeValidator(not_bool), Field(ge=0)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)


class BatchFields(Section):
    requests: Positive | None = Field(default=None, description="requests per window")
    input_tokens: Positive | None = Field(default=None, description="prompt tokens per window")
    output_tokens: Positive | None = Field(default=None, description="output tokens per window")
    start: Annotated[str, BeforeValidator(_clock_time)] = Field(description='local time such as "22:00"')
    deadline_hours: Annotated[int, BeforeValidator(not_bool)] = Field(
        ge=1, description="whole hours, 1 or more"
    )
    every: Literal["day", "week"] = Field(default="day", description="day or week")
    timezone: str | None = Field(default=None, description="an IANA time zone")


class DemandFields(Section):
    requests_per_second: Positive | None = Field(default=None, description="one rate in requests per second")
    hourly_requests_per_second: tuple[NotNegative, ...] | None = Field(
        default=None, min_length=1, description="requests per second of each hour, in order"
    )
    profile: str | None = Field(default=None, min_length=1, description="a CSV file with one row an hour")
    trace: str | None = Field(
        default=None, min_length=1, description="a CSV or Parquet file, one row a request"
    )
    batch: BatchFields | None = Field(default=None, description="scheduled work: an amount and a deadline")
    start: Annotated[datetime | None, BeforeValidator(_not_number)] = Field(
        default=None, description="an ISO 8601 time such as 2026-01-05T00:00:00"
    )
    scale: Positive = Field(default=1.0, description="multiplies every rate")


class BadDayFields(Section):
    factor: Positive = Field(description="multiplies every rate of the day")
    day: Annotated[str, BeforeValidator(_day)] = Field(
        default=BUSIEST, description="a date such as 2026-01-06, or busiest"
    )


class ScenarioFields(Section):
    name: str = Field(min_length=1, pattern=ONE_LINE, description="what the scenario is called in reports")
    probability: Annotated[float, BeforeValidator(not_bool)] = Field(
        gt=0, le=1, description="share of all courses that demand may take"
    )
    scale: Positive | None = Field(default=None, description="multiplies every rate")
    grow_per_month: Annotated[float, BeforeValidator(not_bool)] | None = Field(
        default=None, gt=-1, le=10, description="growth a month, such as 0.1; goes with months"
    )
    months: Positive | None = Field(default=None, le=120, description="months of growth")
    bad_day: BadDayFields | None = Field(default=None, description="factor and day")
    quantile: Annotated[float, BeforeValidator(not_bool)] | None = Field(
        default=None, ge=0, le=1, description="quantile of each hour's rates, such as 0.9"
    )
    demand: DemandFields | None = Field(default=None, description="a demand of its own")


def check_demand(where: str, field: str, demand: DemandFields) -> None:
    """UsageError unless a demand is of exactly one kind."""
    given = [kind for kind in DEMAND_KINDS if getattr(demand, kind) is not None]
    if len(given) != 1:
        raise bad_value(where, field, ", ".join(given) or None, f"exactly one of {', '.join(DEMAND_KINDS)}")


def check_scenarios(where: str, scenarios: tuple[ScenarioFields, ...]) -> None:
    """UsageError for a name given twice, two changes in one scenario, or probabilities that do not add up to 1."""
    names: set[str] = set()
    for number, scenario in enumerate(scenarios):
        field = f"scenarios[{number}]"
        if scenario.name in names:
            raise bad_value(where, f"{field}.name", scenario.name, "another scenario has that name")
        names.add(scenario.name)
        given = [kind for kind in SCENARIO_KINDS if getattr(scenario, kind) is not None]
        if len(given) > 1:
            raise bad_value(where, field, ", ".join(given), f"at most one of {', '.join(SCENARIO_KINDS)}")
        pair = ("grow_per_month", "months")
        for name, other in (pair, pair[::-1]):
            if getattr(scenario, name) is not None and getattr(scenario, other) is None:
                raise UsageError(f"{where}: {field}.{other} is missing: it goes with {field}.{name}")
        if scenario.demand is not None:
            check_demand(where, f"{field}.demand", scenario.demand)
    total = math.fsum(scenario.probability for scenario in scenarios)
    if round(abs(total - 1), 9) > _SUM_TOLERANCE:
        right = "probabilities add up to 1, within 1e-6; demand as it is given is a scenario of its own"
        raise bad_value(where, "sum of scenarios probabilities", round(total, 9), right)
