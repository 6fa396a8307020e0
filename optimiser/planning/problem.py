"""The planning problem as a value: options, how each can be paid, periods, demand, policy.

Axes (scenario, service, period, size bucket) all exist; one service is planned so far. Rates are requests per second,
money is USD, a *unit* is the smallest thing that can be bought (an instance, or a group of instances that holds one
replica).

Scenarios are planned in two stages (a two-stage stochastic programme with recourse: Birge and Louveaux, Introduction
to Stochastic Programming, 2011, ch. 2): what runs all along is decided before it is known which of them comes, what
follows the hour after. Beside what runs all along nothing couples two periods, so this is one longer list of periods,
scenario after scenario, in which a period lasts its hours × its scenario's probability.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optimiser.carbon.grids import Grid
from optimiser.carbon.power import UnitEnergy, kg_co2e, kwh
from optimiser.performance.estimate_types import Estimate
from optimiser.planning.plan_bought import PlanSpot
from optimiser.policy import Policy
from providers.shape import InstanceShape

Floats = npt.NDArray[np.float64]


class How(StrEnum):
    """How a unit is paid, which is also when it runs.

    A commitment, what is owned already and a unit held on demand run for the whole horizon, whatever scenario comes; on
    demand and spot follow the hour. Shared is a service's use of what is bought for several.
    """

    COMMITMENT = "commitment"
    HELD = "held_on_demand"
    HOURLY = "on_demand"
    SPOT = "spot"
    OWNED = "owned"
    SHARED = "shared"


SIGNED = frozenset({How.COMMITMENT, How.OWNED})
CONSTANT = SIGNED | {How.HELD}
BY_THE_HOUR = frozenset({How.HOURLY, How.SPOT})


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """One way to pay for one option: usd_per_unit_hour is all instances of the unit, upfront money amortised.

    It is what the search minimises: of a commitment the weighed price (weighing.py), which is not what is billed.
    billed_usd_per_unit_hour is that, None where both are the same.
    offer_id points into the price book. max_units is the offer's own quantity limit. pool names what can
    vanish as a whole (instance type × zone) and is "" outside spot; spot is how its price came about.
    """

    id: str
    how: How
    offer_id: str
    usd_per_unit_hour: float
    max_units: int | None = None
    pool: str = ""
    billed_usd_per_unit_hour: float | None = None
    spot: PlanSpot | None = None

    @property
    def billed(self) -> float:
        """What the bill says, USD per unit-hour."""
        known = self.billed_usd_per_unit_hour
        return self.usd_per_unit_hour if known is None else known


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a unit emits while it runs at the rate it is planned on: its power in W, for which GPUs are taken to draw
    gpu_tdp_share of their TDP, the building's PUE, and its grid's g CO2e per kWh by one method.

    other_figures are what other methods say of the same grid, which nothing is compared by.
    """

    watts_per_unit: float
    pue: float
    gco2_per_kwh: float
    method: str = ""
    year: int = 0
    source: str = ""
    gpu_tdp_share: float = 0.0
    other_figures: tuple[Grid, ...] = ()

    @property
    def kwh_per_unit_hour(self) -> float:
        """What the building draws for a unit in an hour, kWh."""
        return kwh(self.watts_per_unit, 1.0, self.pue)


@dataclass(frozen=True, kw_only=True)
class Option:
    """Something that can be bought in one site: an instance type in a region, set up to serve the workload.

    rate_rps is what one unit is planned to carry of the whole mix, after the margin for the estimate's error;
    bucket_rates_rps the same per size bucket served alone (0 where the target cannot be met). round_trip_ms is what the
    policy allows for the way there and back: the estimate meets the target less that.
    start_up_minutes is how long a unit takes to start.
    """

    id: str
    provider: str
    region: str
    instance_type: str
    rate_rps: float
    purchases: tuple[Purchase, ...]
    estimate: Estimate
    shape: InstanceShape
    bucket_rates_rps: tuple[float, ...] = ()
    margin: float = 0.0
    start_up_minutes: float = 0.0
    region_kind: str = "region"
    round_trip_ms: float = 0.0
    footprint: Footprint | None = None
    energy: UnitEnergy | None = None

    @property
    def kg_per_unit_hour(self) -> float:
        """What a unit emits in an hour, kg CO2e; 0 where nothing is known, which no plan under a price or cap uses."""
        known = self.footprint
        return kg_co2e(known.kwh_per_unit_hour, known.gco2_per_kwh) if known else 0.0

    @property
    def surge_usd_per_instance_hour(self) -> float:
        """What one more instance costs for an hour, USD: the cheapest way on demand without a limit, else the list
        price known beside its spot, else the dearest way it can be paid."""
        instances = self.estimate.setup.instances_per_unit
        by_hour = [
            one.billed / instances
            for one in self.purchases
            if one.how in (How.HOURLY, How.HELD) and one.max_units is None
        ]
        listed = [one.spot.on_demand_usd_per_hour for one in self.purchases if one.spot]
        known = by_hour or [float(usd) for usd in listed if usd is not None]
        return min(known) if known else max(one.billed / instances for one in self.purchases)

    @property
    def site(self) -> tuple[str, str]:
        """Provider and region."""
        return (self.provider, self.region)

    def quota(self, how: How) -> QuotaKey:
        """The quota that counts its units, paid in this way."""
        spot = how is How.SPOT
        family = self.shape.spot_quota_family if spot else self.shape.quota_family
        return QuotaKey(self.provider, self.region, family, spot)

    @property
    def quota_per_unit(self) -> int:
        """What one unit takes of its quota, in the quota's unit."""
        return self.shape.quota_count * self.estimate.setup.instances_per_unit

    @property
    def gpus_per_unit(self) -> int:
        """GPUs of one unit."""
        return self.shape.gpu_count * self.estimate.setup.instances_per_unit


@dataclass(frozen=True, kw_only=True)
class Demand:
    """A service's demand in one period of one scenario, req/s: its mean, the rate the plan must carry, and the one that
    commitments are held to (None: the same)."""

    mean_rps: float
    planned_rps: float
    committable_rps: float | None = None


@dataclass(frozen=True, kw_only=True)
class Period:
    """A stretch of time; demand[scenario][service]."""

    start: datetime
    hours: float
    demand: tuple[tuple[Demand, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One course that demand may take, and its probability."""

    name: str
    probability: float


class QuotaKey(NamedTuple):
    """What a provider counts as one quota: firm purchases of a family in a region, or those on spot."""

    provider: str
    region: str
    family: str
    spot: bool


@dataclass(frozen=True, kw_only=True)
class GrantedQuota:
    """How much of a quota may run at once, in the unit its machines count in; granted_on None: nobody says."""

    key: QuotaKey
    amount: float
    source: str
    granted_on: date | None = None


AS_MEASURED = Scenario(name="as measured", probability=1.0)
# What a sum of probabilities may be off 1 by, for the rounding of its terms.
PROBABILITY_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Everything planning needs. bucket_shares sums to 1; commitments last the whole horizon. quotas are those known,
    of which the policy says whether they limit the plan. on_region_loss is how many times its planned demand it carries
    where it is the part of one region and another region is lost (parts.py).

    Raises ValueError for more than one service (the axis is there, planning over it is not yet), and for scenarios
    whose probabilities do not add up to 1 or that a period has no demand of.
    """

    services: tuple[str, ...]
    options: tuple[Option, ...]
    periods: tuple[Period, ...]
    policy: Policy
    scenarios: tuple[Scenario, ...] = (AS_MEASURED,)
    bucket_shares: tuple[float, ...] = (1.0,)
    routing: str = "uniform"
    quotas: tuple[GrantedQuota, ...] = ()
    output_tokens_per_request: float = 0.0
    on_region_loss: float = 1.0

    def __post_init__(self) -> None:
        if len(self.services) != 1:
            raise ValueError(f"{len(self.services)} services: one is planned")
        total = math.fsum(scenario.probability for scenario in self.scenarios)
        if abs(total - 1) > PROBABILITY_TOLERANCE:
            raise ValueError(f"the scenarios' probabilities add up to {total}, not 1")
        if any(len(period.demand) != len(self.scenarios) for period in self.periods):
            raise ValueError(f"a period has no demand of some of the {len(self.scenarios)} scenarios")

    def in_scenario(self, number: int) -> Problem:
        """The problem where it is certain that one scenario comes."""
        certain = replace(self.scenarios[number], probability=1.0)
        periods = tuple(replace(period, demand=(period.demand[number],)) for period in self.periods)
        return replace(self, scenarios=(certain,), periods=periods)

    @cached_property
    def horizon_hours(self) -> float:
        """Length of all periods in hours."""
        return float(np.array([period.hours for period in self.periods], dtype=np.float64).sum())

    @cached_property
    def hours(self) -> Floats:
        """What each period of each scenario counts for: its hours × the probability, shape (scenarios · periods,).

        Scenario after scenario, as in every array by period.
        """
        hours = np.array([period.hours for period in self.periods], dtype=np.float64)
        return np.concatenate([hours * scenario.probability for scenario in self.scenarios])

    @cached_property
    def planned_rps(self) -> Floats:
        """Demand to carry of the one service, shape (scenarios · periods,), requests per second."""
        return np.array([demand.planned_rps for demand in self._demand()], dtype=np.float64)

    @cached_property
    def committable_rps(self) -> Floats:
        """Demand that commitments are held to, shape (scenarios · periods,), requests per second."""
        each = (
            one.planned_rps if one.committable_rps is None else one.committable_rps for one in self._demand()
        )
        return np.array(list(each), dtype=np.float64)

    @cached_property
    def mean_rps(self) -> Floats:
        """Mean demand of the one service, shape (scenarios · periods,), requests per second."""
        return np.array([demand.mean_rps for demand in self._demand()], dtype=np.float64)

    @cached_property
    def distinct(self) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
        """Each distinct planned_rps, ascending, the hours it lasts in all, and which of them each period asks for."""
        demand, which = np.unique(self.planned_rps, return_inverse=True)
        hours = np.bincount(which, weights=self.hours, minlength=len(demand)).astype(np.float64)
        return demand, hours, which.astype(np.int64)

    def _demand(self) -> Iterator[Demand]:
        return (period.demand[s][0] for s in range(len(self.scenarios)) for period in self.periods)
