"""What several services share in a site, as a value: the hours, the machines that are paid all along, and who asks.

A *machine* is an instance type in a site; what is bought of it for the whole horizon counts in instances, since one
service may run it in units of another number of instances than the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from optimiser.planning.bounds import Profiles
from optimiser.planning.caps import Cap
from optimiser.planning.carbon import more_in_use_usd
from optimiser.planning.problem import CONSTANT, Floats, How, Option, Problem
from optimiser.planning.tables import Units

# What is bought once for all services.
PAID_FOR_ALL = frozenset({How.SHARED, How.OWNED})


class Machine(NamedTuple):
    """An instance type where it can be had."""

    provider: str
    region: str
    region_kind: str
    instance_type: str


def machine_of(option: Option) -> Machine:
    """The machine that an option's units are made of."""
    return Machine(option.provider, option.region, option.region_kind, option.instance_type)


@dataclass(frozen=True, kw_only=True)
class Constant:
    """An offer that runs for the whole horizon, USD per instance and hour as weighed, its carbon as if it stood idle;
    most: instances of it."""

    offer_id: str
    how: How
    machine: Machine
    usd: float
    most: int | None

    @property
    def limited_to(self) -> float:
        """The most instances of it, inf where nothing limits them."""
        return np.inf if self.most is None else float(self.most)


@dataclass(frozen=True, kw_only=True)
class Hours:
    """The horizon as its distinct hours: those in which every service asks the same are one.

    weight is how long each lasts, shape (hours,); of_period the one that each period is; first a period of each.
    """

    weight: Floats
    of_period: np.ndarray
    first: np.ndarray

    @cached_property
    def total(self) -> float:
        """Hours in the horizon."""
        return float(self.weight.sum())


def hours_of(problems: Sequence[Problem]) -> Hours:
    """The distinct hours of problems over the same periods."""
    planned = np.array([problem.planned_rps for problem in problems])
    _, first, of_period = np.unique(planned, axis=1, return_index=True, return_inverse=True)
    of_period = of_period.reshape(-1)
    weight = np.bincount(of_period, weights=problems[0].hours, minlength=len(first)).astype(np.float64)
    return Hours(weight=weight, of_period=of_period, first=first)


@dataclass(frozen=True)
class Service:
    """A service in a site: its problem with the options there. slot is which of its own distinct demands each of the
    joint hours has, shape (hours,)."""

    problem: Problem
    profiles: Profiles = field(repr=False)
    slot: np.ndarray

    @property
    def name(self) -> str:
        """What it is called."""
        return self.problem.services[0]

    @cached_property
    def in_use_usd(self) -> dict[str, float]:
        """What carbon weighs more in a unit that serves than in an idle one, USD an hour, by option id."""
        return {option.id: more_in_use_usd(option, self.problem.policy) for option in self.problem.options}


@dataclass(frozen=True)
class Place:
    """A site with all services in it. constants are its offers that run all along, machines theirs, in order.

    caps are the quotas, and the limit on GPUs, that all services keep together, and cap_usd what a unit of each is
    priced at in each hour, USD an hour, shape (caps, hours): then constants' prices have it in them.
    """

    site: tuple[str, str]
    services: tuple[Service, ...]
    hours: Hours
    constants: tuple[Constant, ...]
    machines: tuple[Machine, ...]
    caps: tuple[Cap, ...] = ()
    cap_usd: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    def of_machine(self, number: int) -> list[Constant]:
        """The offers of a machine, cheapest first."""
        return self._by_machine[number]

    @cached_property
    def _by_machine(self) -> list[list[Constant]]:
        cheapest = sorted(self.constants, key=lambda one: (one.usd, one.offer_id))
        return [[one for one in cheapest if one.machine == machine] for machine in self.machines]

    @cached_property
    def of_instance(self) -> Units:
        """What an instance of each machine takes of each cap, shape (machines, caps)."""
        options = {machine_of(o): o for service in self.services for o in service.problem.options}
        rows = [
            [
                cap.taken_by(options[m], How.HELD) // options[m].estimate.setup.instances_per_unit
                for cap in self.caps
            ]
            for m in self.machines
        ]
        return np.array(rows, dtype=np.int64).reshape(len(self.machines), len(self.caps))

    def dearer_by(self, option: Option, how: How) -> Floats | float:
        """What the prices of caps add to a unit in each hour, USD an hour."""
        if not self.caps:
            return 0.0
        return np.array([cap.taken_by(option, how) for cap in self.caps], dtype=np.float64) @ self.cap_usd

    def priced(self, cap_usd: Floats) -> Place:
        """The place, of which no caps were priced yet, with such prices of them."""
        per_hour = cap_usd @ self.hours.weight / self.hours.total
        dearer = self.of_instance @ per_hour
        constants = tuple(
            replace(one, usd=one.usd + float(dearer[self.machines.index(one.machine)]))
            for one in self.constants
        )
        return replace(self, constants=constants, cap_usd=cap_usd)

    @property
    def granted_usd(self) -> float:
        """What all that there is of the caps comes to at their prices, USD over the horizon."""
        if not self.caps:
            return 0.0
        return float(np.array([cap.amount for cap in self.caps]) @ self.cap_usd @ self.hours.weight)


def within(place: Place, caps: Sequence[Cap]) -> Place:
    """The place with those of the caps that anything in it counts in, unpriced."""
    counted = {
        o.quota(one.how) for service in place.services for o in service.problem.options for one in o.purchases
    }
    inside = tuple(cap for cap in caps if cap.key is None or cap.key in counted)
    return replace(place, caps=inside, cap_usd=np.zeros((len(inside), len(place.hours.weight))))


def places(problems: Sequence[Problem], hours: Hours) -> list[Place]:
    """Every site in which each service has options, by name."""
    by_site = [{option.site for option in problem.options} for problem in problems]
    found = []
    for site in sorted(set.intersection(*by_site)):
        services = []
        for problem in problems:
            here = replace(problem, options=tuple(o for o in problem.options if o.site == site))
            slots = np.unique(problem.planned_rps, return_inverse=True)[1].reshape(-1)
            services.append(Service(here, Profiles(here), slots[hours.first]))
        constants = _constants(services)
        machines = tuple(dict.fromkeys(one.machine for one in constants))
        found.append(Place(site, tuple(services), hours, constants, machines))
    return found


def _constants(services: Sequence[Service]) -> tuple[Constant, ...]:
    """Offers that run all along, each once, whichever services may take it.

    Of a limited one, as many instances as the service that can use most of it finds: groups leave a remainder.
    """
    found: dict[str, Constant] = {}
    for service in services:
        for option in service.problem.options:
            instances = option.estimate.setup.instances_per_unit
            for one in option.purchases:
                if one.how not in CONSTANT:
                    continue
                most = None if one.max_units is None else one.max_units * instances
                known = found.get(one.offer_id)
                if known is not None and known.most is not None and most is not None:
                    most = max(most, known.most)
                found[one.offer_id] = Constant(
                    offer_id=one.offer_id,
                    how=one.how,
                    machine=machine_of(option),
                    usd=(one.usd_per_unit_hour - service.in_use_usd[option.id]) / instances,
                    most=most,
                )
    return tuple(found[name] for name in sorted(found))
