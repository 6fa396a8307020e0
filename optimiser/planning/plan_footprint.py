"""What a plan draws and emits: its parts of a Plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PlanGrid:
    """A yearly average of a grid by one method."""

    gco2_per_kwh: float
    method: str
    year: int
    source: str


@dataclass(frozen=True, kw_only=True)
class PlanCarbon:
    """What the units of an option emit while they run, location-based: kg CO2e a month of 730 h and per unit-hour.

    watts_per_unit / 1000 × pue × gco2_per_kwh / 1000 kg a unit-hour, with every unit at the rate it is planned on: what
    a carbon price and a cap count. The grid's figure is a yearly average of `year` by `method`, the same for all
    options; other_figures are what other methods say of that grid. GPUs draw gpu_tdp_share of their TDP then.
    """

    option: str
    kwh_monthly: float
    kg_co2e_monthly: float
    kg_co2e_per_unit_hour: float
    watts_per_unit: float
    pue: float
    gco2_per_kwh: float
    method: str
    year: int
    source: str
    gpu_tdp_share: float
    other_figures: tuple[PlanGrid, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlanEnergy:
    """What the units of an option draw, W, and over a month of 730 h; null where a figure is missing, never 0.

    A unit at its planned rate draws watts_per_unit, without a request idle_watts_per_unit, both with its host and the
    instance's rest; in_flight are requests in flight per replica at planned_share of the largest rate estimated, which
    is the planned rate. kwh_monthly counts every unit at its planned rate, _at_load at what the hours send it; both
    with the building (pue). embodied_kg_co2e_monthly: low and high part of making the machines for the hours they run.
    """

    option: str
    gpus_tdp_w: float
    host_w: float
    planned_share: float
    in_flight: float
    watts_per_unit: float
    idle_watts_per_unit: float
    pue: float | None
    kwh_monthly: float | None
    kwh_monthly_at_load: float | None
    kg_co2e_monthly_at_load: float | None
    embodied_kg_co2e_monthly_low: float | None
    embodied_kg_co2e_monthly_high: float | None


@dataclass(frozen=True, kw_only=True)
class PlanPower:
    """What power is reckoned with: shares of a GPU's TDP without a request, at one and at many in flight with the curve
    between, and on prompts; the instance's rest on top of GPUs and host. gpu_tdp_share replaces the curve if given."""

    idle_tdp_share: float
    one_request_tdp_share: float
    many_requests_tdp_share: float
    curve_steepness: float
    curve_middle_log2: float
    prompt_tdp_share: float
    rest_share: float
    gpu_tdp_share: float | None


@dataclass(frozen=True, kw_only=True)
class PlanFootprint:
    """Energy and carbon of a month of 730 h, over all options: null where one of those in use has no figure.

    kwh and kg_co2e count every unit at its planned rate, as prices and caps of carbon do; _at_load what the hours
    really send, which is also what stands per million tokens (input and output together). embodied: low and high.
    """

    kwh_monthly: float | None
    kwh_monthly_at_load: float | None
    kwh_per_million_tokens: float | None
    kg_co2e_monthly: float | None
    kg_co2e_monthly_at_load: float | None
    kg_co2e_per_million_tokens: float | None
    embodied_kg_co2e_monthly_low: float | None
    embodied_kg_co2e_monthly_high: float | None
    power: PlanPower | None


def sum_of_known(parts: Sequence[float | None]) -> float | None:
    """The sum of figures; None where one of them is not known."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None
