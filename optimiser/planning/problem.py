"""The planning problem as a value: options, how each can be paid, periods, demand, policy.

Axes (scenario, service, period, size bucket) all exist; one service and one scenario are planned so far.
Rates are requests per second, money is USD, a *unit* is the smallest thing that can be bought (an instance, or
a group of instances that holds one replica).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optimiser.performance.estimate_types import Estimate
from optimiser.planning.plan_bought import PlanSpot
from optimiser.policy import Policy
from providers.shape import InstanceShape

Floats = npt.NDArray[np.float64]


class How(StrEnum):
    """How a unit is paid, which is also when it runs.

    A commitment, what is owned already and a unit held on demand run for the whole horizon; on demand and spot follow
    the hour.
    """

    COMMITMENT = "commitment"
    HELD = "held_on_demand"
    HOURLY = "on_demand"
    SPOT = "spot"
    OWNED = "owned"


SIGNED = frozenset({How.COMMITMENT, How.OWNED})
CONSTANT = SIGNED | {How.HELD}


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
    """What a unit emits while it runs: its power in W, the building's PUE, and its grid's g CO2e per kWh."""

    watts_per_unit: float
    pue: float
    gco2_per_kwh: float
    method: str = ""
    year: int = 0
    source: str = ""

    @property
    def kwh_per_unit_hour(self) -> float:
        """What the building draws for a unit in an hour, kWh."""
        return self.watts_per_unit / 1000 * self.pue


@dataclass(frozen=True, kw_only=True)
class Option:
    """Something that can be bought in one site: an instance type in a region, set up to serve the workload.

    rate_rps is what one unit is planned to carry of the whole mix, after the margin for the estimate's error;
    bucket_rates_rps the same per size bucket served alone (0 where the target cannot be met). round_trip_ms is what the
    policy allows for the way there and back: the estimate meets the target less that.
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
    region_kind: str = "region"
    round_trip_ms: float = 0.0
    footprint: Footprint | None = None

    @property
    def kg_per_unit_hour(self) -> float:
        """What a unit emits in an hour, kg CO2e; 0 where nothing is known, which no plan under a price or cap uses."""
        known = self.footprint
        return known.kwh_per_unit_hour * known.gco2_per_kwh / 1000 if known else 0.0

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
    """A service's demand in one period of one scenario, req/s: its mean, and the rate the plan must carry."""

    mean_rps: float
    planned_rps: float


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


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Everything planning needs. bucket_shares sums to 1; commitments last the whole horizon. quotas are those known,
    of which the policy says whether they limit the plan.

    Raises ValueError for more than one service or scenario: the axes are there, planning over them is not yet.
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

    def __post_init__(self) -> None:
        if len(self.services) != 1 or len(self.scenarios) != 1:
            raise ValueError(
                f"{len(self.services)} services × {len(self.scenarios)} scenarios: one of each is planned"
            )

    @property
    def hours(self) -> Floats:
        """Length of each period in hours, shape (periods,)."""
        return np.array([period.hours for period in self.periods], dtype=np.float64)

    @property
    def planned_rps(self) -> Floats:
        """Demand to carry in the one scenario and service, shape (periods,), requests per second."""
        return np.array([period.demand[0][0].planned_rps for period in self.periods], dtype=np.float64)

    @property
    def mean_rps(self) -> Floats:
        """Mean demand in the one scenario and service, shape (periods,), requests per second."""
        return np.array([period.demand[0][0].mean_rps for period in self.periods], dtype=np.float64)
