"""The ways in which a job can be paid for in one market at one size: how long it runs then and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from optimiser.costing.training.interruptions import (
    FAILURES_PER_GPU_HOUR,
    FIRM_RESTART_MINUTES,
    Interrupted,
    interrupted,
)
from optimiser.costing.training.market import Market, Price, cheapest
from optimiser.costing.training.pace import Pace
from optimiser.planning.options import margin_of
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.start_up import StartUpTimes
from optimiser.policy import Policy
from providers.offer import HOURS_PER_YEAR

ON_DEMAND, SPOT, MIXED, RESERVED, BLOCK = (
    "on demand",
    "spot",
    "spot, then on demand",
    "reserved",
    "capacity block",
)
HOWS = (ON_DEMAND, SPOT, MIXED, RESERVED, BLOCK)
# EC2 Capacity Blocks for ML: 1, 2, 4 … 64 instances (Amazon EC2 User Guide, Capacity Blocks for ML), 1 to 14 days or
# whole weeks up to 182 days (API reference, DescribeCapacityBlockOfferings, CapacityDurationHours).
BLOCK_INSTANCES, BLOCK_DAYS, BLOCK_DAYS_ONE_BY_ONE = (1, 2, 4, 8, 16, 32, 64), 182, 14
_LEAST_HOURS = 1e-6
# A run stands still for this long however little it saves: ranks wait for each other.
_LEAST_PAUSE_HOURS = 10 / 3600


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What every way of a job shares: hours until the deadline, GB of a checkpoint (which all instances read and write
    together) and of frozen weights (which each reads), USD an hour of what is stored.
    """

    deadline_hours: float
    checkpoint_gb: float
    frozen_gb: float
    storage_usd_per_hour: float
    start_up: StartUpTimes
    policy: Policy


@dataclass(frozen=True, kw_only=True)
class Leg:
    """Part of a run on machines paid one way. hours is what it lasts, billed_hours what each instance is paid for."""

    tier: str
    price: Price
    hours: float
    billed_hours: float
    course: Interrupted


@dataclass(frozen=True, kw_only=True)
class Way:
    """A job at one size in one market, paid in one way: the expected hours from start to end, USD of machines, of
    overheads and of storage. carbon_usd is what its CO2e weighs in the choice, billed to nobody.
    """

    how: str
    market: Market
    pace: Pace
    legs: tuple[Leg, ...]
    hours: float
    machines_usd: float
    overheads_usd: float
    storage_usd: float
    carbon_usd: float = 0.0

    @property
    def usd(self) -> float:
        """All that is billed."""
        return self.machines_usd + self.overheads_usd + self.storage_usd

    @property
    def weighed_usd(self) -> float:
        """What ways are compared by."""
        return self.usd + self.carbon_usd

    @property
    def gang_on_spot(self) -> bool:
        """Whether several instances, all of which it needs, are on spot: policy.spot_for_groups."""
        return self.pace.nodes > 1 and any(leg.tier == "spot" for leg in self.legs)


def ways(market: Market, pace: Pace, terms: Terms) -> Iterator[Way]:
    """Every way that is expected to end by the deadline, at the pace that is planned on."""
    work = planned_hours(pace, terms.policy)
    if work > terms.deadline_hours:
        return
    firm = course(work, pace.nodes, pace.gpus, terms)
    spot = cheapest(market.spot, pace.nodes)
    on_demand = cheapest(market.on_demand, pace.nodes)
    flaky = course(work, pace.nodes, pace.gpus, terms, spot) if spot else None
    if spot and flaky:
        yield from _within(market, pace, terms, SPOT, (_leg("spot", spot, flaky, flaky.hours),))
    if firm is None:
        return
    if on_demand:
        leg = _leg("on_demand", on_demand, firm, firm.hours)
        yield from _within(market, pace, terms, ON_DEMAND, (leg,))
        if spot and flaky:
            yield from _mixed(market, pace, terms, (spot, flaky), (on_demand, firm))
    signed = terms.policy.max_committed_monthly_usd
    for price in market.reserved:
        if signed is not None and pace.nodes * price.usd_per_hour * HOURS_PER_MONTH > signed:
            continue
        term = price.term_months * HOURS_PER_YEAR / 12
        billed = math.ceil(firm.hours / term) * term
        if price.most_instances >= pace.nodes:
            leg = _leg("reserved", price, firm, firm.hours, billed)
            yield from _within(market, pace, terms, RESERVED, (leg,))
    block = cheapest(market.blocks, pace.nodes)
    days = block_days(firm.hours)
    if block and pace.nodes in BLOCK_INSTANCES and days <= BLOCK_DAYS:
        leg = _leg("capacity_block", block, firm, firm.hours, days * 24.0)
        yield from _within(market, pace, terms, BLOCK, (leg,))


def block_days(hours: float) -> int:
    """The days of the shortest Capacity Block that lasts so many hours."""
    days = math.ceil(hours / 24)
    return days if days <= BLOCK_DAYS_ONE_BY_ONE else math.ceil(days / 7) * 7


def planned_hours(pace: Pace, policy: Policy) -> float:
    """Hours without interruptions at the pace that is planned on: the estimate's lower bound at the policy's
    confidence, or less the policy's margin.
    """
    return pace.hours / (1 - margin_of(pace.relative_error, policy))


def course(work: float, nodes: int, gpus: int, terms: Terms, spot: Price | None = None) -> Interrupted | None:
    """The run on firm machines or on spot: a gang of n instances is interrupted n times as often as one.

    To start, machines boot, pull the image, read a checkpoint and frozen weights. So does what takes a lost one's
    place, on spot after policy.spot_replacement_minutes; a firm gang goes on after FIRM_RESTART_MINUTES.
    All others wait, and are paid.
    """
    times, rate = terms.start_up, terms.policy.weights_load_gb_per_s
    saved = terms.checkpoint_gb / nodes / rate / 3600
    boot = times.one_gpu_boot_minutes if gpus == nodes else times.several_gpus_boot_minutes
    per_hour = gpus * FAILURES_PER_GPU_HOUR
    if spot and spot.spot:
        per_hour += nodes * spot.spot.interruptions_per_hour
        boot = terms.policy.spot_replacement_minutes
    start = boot + times.image_minutes
    again = start if spot or nodes == 1 else FIRM_RESTART_MINUTES
    pause = max(saved, _LEAST_PAUSE_HOURS)
    read = saved + terms.frozen_gb / rate / 3600
    return interrupted(work, 1 / per_hour, pause, again / 60 + read, start / 60 + read)


def _leg(
    tier: str, price: Price, course: Interrupted, hours: float, billed_hours: float | None = None
) -> Leg:
    billed = hours if billed_hours is None else billed_hours
    return Leg(tier=tier, price=price, hours=hours, billed_hours=billed, course=course)


def _mixed(
    market: Market, pace: Pace, terms: Terms, spot: tuple[Price, Interrupted], firm: tuple[Price, Interrupted]
) -> Iterator[Way]:
    """Spot for as long as on demand can still make the deadline.

    x hours of spot do x/T_spot of the work and D − x hours on demand the rest: x/T_spot + (D − x)/T_firm = 1.
    """
    (cheap, slow), (dear, fast), deadline = spot, firm, terms.deadline_hours
    if not fast.hours < deadline < slow.hours:
        return
    on_spot = (deadline / fast.hours - 1) / (1 / fast.hours - 1 / slow.hours)
    legs = (
        _leg("spot", cheap, slow, on_spot),
        _leg("on_demand", dear, fast, deadline - on_spot),
    )
    if min(leg.hours for leg in legs) > _LEAST_HOURS:
        yield from _within(market, pace, terms, MIXED, legs)


def _within(market: Market, pace: Pace, terms: Terms, how: str, legs: tuple[Leg, ...]) -> Iterator[Way]:
    """The way, where it ends in time, and within what the policy lets a month cost."""
    hours, policy = sum(leg.hours for leg in legs), terms.policy
    if hours > terms.deadline_hours * (1 + 1e-9):
        return
    overheads, months = policy.overheads, hours / HOURS_PER_MONTH
    machines = pace.nodes * sum(leg.billed_hours * leg.price.usd_per_hour for leg in legs)
    beside = pace.nodes * hours * overheads.usd_per_node_hour + months * overheads.usd_per_month
    way = Way(
        how=how,
        market=market,
        pace=pace,
        legs=legs,
        hours=hours,
        machines_usd=machines,
        overheads_usd=beside + (machines + beside) * overheads.percent / 100,
        storage_usd=hours * terms.storage_usd_per_hour,
    )
    if policy.max_monthly_usd is None or way.usd <= policy.max_monthly_usd * max(months, 1.0):
        yield way
