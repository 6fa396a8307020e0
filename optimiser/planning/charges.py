"""Charges: money that a plan owes beside its units, and what that makes of a bound on the units alone.

Beside its units a plan pays for instances that deployments start and for the text it sends out; and a provider p that
was promised m[p] USD bills at least that much, used or not:

    cost = Σ_p max(spent[p], m[p]),    spent[p] = units[p] + surge[p] + egress[p]

in each scenario, and in expectation by their probabilities: at least what it is of the expected spending, since max is
convex (Jensen's inequality), so that bounds hold. The search counts units as they are weighed, the plan as they are
billed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from optimiser.carbon.power import KG_PER_TONNE
from optimiser.planning.leaves import Bought, Site, Solution
from optimiser.planning.offer_money import cents, exact
from optimiser.planning.parts import by_part
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.plan_parts import PlanCharge
from optimiser.planning.problem import Option, Problem

SURGE, EGRESS, SHORTFALL = "deployment_surge", "egress", "minimum_spend"
HOURS_PER_WEEK = 168
SECONDS_PER_HOUR = 3600
BYTES_PER_GB = 1e9


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What is owed to whom and for what, USD over the horizon."""

    provider: str
    kind: str
    what: str
    usd: float


@dataclass(frozen=True)
class Charges:
    """The charges of a problem's plans. Money is USD over the horizon."""

    problem: Problem
    _least_surge: dict[Site, dict[str, float]] = field(default_factory=dict)

    @cached_property
    def promised(self) -> dict[str, float]:
        """The least that each provider bills."""
        months = self.problem.horizon_hours / HOURS_PER_MONTH
        monthly = self.problem.policy.minimum_monthly_usd_by_provider
        return {provider: usd * months for provider, usd in sorted(monthly.items()) if usd}

    @cached_property
    def egress_gb(self) -> float:
        """Text out over the horizon, GB of 1e9 bytes: requests × output tokens × bytes of each."""
        requests = float(self.problem.hours @ self.problem.mean_rps) * SECONDS_PER_HOUR
        tokens = requests * self.problem.output_tokens_per_request
        return tokens * self.problem.policy.overheads.egress_bytes_per_output_token / BYTES_PER_GB

    @cached_property
    def _egress_usd(self) -> float:
        return self.egress_gb * self.problem.policy.overheads.egress_usd_per_gb

    @cached_property
    def _surge_hours(self) -> float:
        """Hours of one instance that deployments add over the horizon."""
        given = self.problem.policy.deployment
        share = given.hours_per_week / HOURS_PER_WEEK if given.surge_instances else 0.0
        return share * self.problem.horizon_hours

    @cached_property
    def none(self) -> bool:
        """Whether no plan owes anything beside its units."""
        return not (self.promised or self._surge_hours or self._egress_usd)

    def surge_instances(self, option: Option) -> int:
        """Extra instances of an option while a deployment lasts: whole units."""
        each = option.estimate.setup.instances_per_unit
        return math.ceil(self.problem.policy.deployment.surge_instances / each) * each

    def surge_usd(self, option: Option) -> float:
        """What deployments add where the option is the dearest in use."""
        return self._surge_hours * self.surge_instances(option) * option.surge_usd_per_instance_hour

    def of(self, solution: Solution, price: Callable[[Bought], float]) -> tuple[Charge, ...]:
        """What a solution is expected to owe where its units cost `price` an hour each."""
        unspent = dict.fromkeys(self.promised, 0.0)
        for number, scenario in enumerate(self.problem.scenarios if self.promised else ()):
            for charge in self.in_scenario(solution, price, number):
                if charge.kind == SHORTFALL:
                    unspent[charge.provider] += scenario.probability * charge.usd
        return (*self._surge(solution), *self._egress(solution), *_short(unspent))

    def in_scenario(
        self, solution: Solution, price: Callable[[Bought], float], number: int
    ) -> tuple[Charge, ...]:
        """What it owes where one scenario comes; deployments are of the dearest option of any."""
        alone = self._alone[number]
        part = np.split(solution.units, len(self._alone))[number]
        hours = alone.problem.hours @ part
        owed = (*self._surge(solution), *alone._egress(replace(solution, units=part)))
        spent = dict.fromkeys(self.promised, 0.0)
        for column, length in zip(solution.columns, hours.tolist(), strict=True):
            if column.option.provider in spent:
                spent[column.option.provider] += price(column) * length
        for charge in owed:
            if charge.provider in spent:
                spent[charge.provider] += charge.usd
        return (
            *owed,
            *_short({provider: least - spent[provider] for provider, least in self.promised.items()}),
        )

    @cached_property
    def _alone(self) -> tuple[Charges, ...]:
        """The charges where it is certain which scenario comes."""
        return tuple(Charges(self.problem.in_scenario(n)) for n in range(len(self.problem.scenarios)))

    def _surge(self, solution: Solution) -> tuple[Charge, ...]:
        """More of the dearest option in use, in each site that demand is split over."""
        if solution.parts:
            return tuple(
                charge
                for asked, its in by_part(self.problem, solution)
                for charge in Charges(asked)._surge(its)
            )
        running: list[bool] = np.any(solution.units, axis=0).tolist()
        used = [column.option for column, runs in zip(solution.columns, running, strict=True) if runs]
        if not self._surge_hours or not used:
            return ()
        dearest = max(used, key=lambda option: (self.surge_usd(option), option.id))
        given = self.problem.policy.deployment
        what = (
            f"{self.surge_instances(dearest)} more {dearest.instance_type} while deploying, {given.hours_per_week:g} h "
            f"a week at {dearest.surge_usd_per_instance_hour:.4f}"
        )
        return (Charge(provider=dearest.provider, kind=SURGE, what=what, usd=self.surge_usd(dearest)),)

    def _egress(self, solution: Solution) -> tuple[Charge, ...]:
        """Text out, by provider as the requests go: every option in use is loaded alike, in each site."""
        if solution.parts:
            return tuple(
                charge
                for asked, its in by_part(self.problem, solution)
                for charge in Charges(asked)._egress(its)
            )
        if not self._egress_usd or not solution.columns:
            return ()
        requests = self.problem.hours * self.problem.mean_rps
        rates = [column.option.rate_rps for column in solution.columns]
        capacity = solution.units * rates
        share = capacity / np.maximum(capacity.sum(axis=1, keepdims=True), 1e-12)
        by_column = requests @ share / requests.sum()
        shares: dict[str, float] = {}
        for column, part in zip(solution.columns, by_column.tolist(), strict=True):
            shares[column.option.provider] = shares.get(column.option.provider, 0.0) + part
        usd_per_gb = self.problem.policy.overheads.egress_usd_per_gb
        months = self.problem.horizon_hours / HOURS_PER_MONTH
        return tuple(
            Charge(
                provider=provider,
                kind=EGRESS,
                what=f"{self.egress_gb * part / months:,.0f} GB of text out a month at {usd_per_gb:g}",
                usd=self._egress_usd * part,
            )
            for provider, part in sorted(shares.items())
        )

    def weighed_usd(self, solution: Solution) -> float:
        """All that a solution costs as the search compares it: its units as weighed, and its charges beside them."""
        usd_per_kg = self.problem.policy.carbon_usd_per_tonne / KG_PER_TONNE

        def without_carbon(column: Bought) -> float:
            return column.purchase.usd_per_unit_hour - usd_per_kg * column.option.kg_per_unit_hour

        owed = self.of(solution, without_carbon)
        return solution.usd(self.problem.hours) + sum(charge.usd for charge in owed)

    def least_usd(self, site: Site, units_usd: float, types: Collection[str] = ()) -> float:
        """What any plan in a choice of sites costs whose units cost at least units_usd, as weighed.

        max(units + surge + egress, Σ m[p] of the providers there) + Σ m[p] of all others: exact for one provider and
        one scenario. types are those that each have a unit in use.
        """
        if self.none:
            return units_usd
        providers = {provider for provider, _ in site}
        inside = sum(usd for provider, usd in self.promised.items() if provider in providers)
        return max(units_usd + self._beside(site, types), inside) + self._elsewhere(providers)

    def units_below(self, site: Site, usd: float, types: Collection[str] = ()) -> float:
        """What units in the sites must cost less than for a plan of them to cost less than usd."""
        if self.none:
            return usd
        return usd - self._elsewhere({provider for provider, _ in site}) - self._beside(site, types)

    def _elsewhere(self, providers: Collection[str]) -> float:
        return sum(usd for provider, usd in self.promised.items() if provider not in providers)

    def _beside(self, site: Site, types: Collection[str]) -> float:
        """The least surge and egress of any plan there."""
        if not self._surge_hours:
            return self._egress_usd
        if site not in self._least_surge:
            least: dict[str, float] = {}
            for option in self.problem.options:
                if option.site in site:
                    usd = self.surge_usd(option)
                    least[option.instance_type] = min(usd, least.get(option.instance_type, usd))
            self._least_surge[site] = least
        by_type = self._least_surge[site]
        surge = max(by_type[name] for name in types) if types else min(by_type.values(), default=0.0)
        return self._egress_usd + surge


def _short(unspent: Mapping[str, float]) -> Iterator[Charge]:
    """What is promised and not spent, where there is any."""
    for provider, usd in unspent.items():
        if usd > 0:
            yield Charge(provider=provider, kind=SHORTFALL, what="promised and not spent", usd=usd)


def plan_charges(problem: Problem, solution: Solution, scenario: int | None = None) -> tuple[PlanCharge, ...]:
    """What is owed beside the instances, a month, expected or in one scenario; nothing below half a cent."""
    months = exact(problem.horizon_hours) / HOURS_PER_MONTH
    charges = Charges(problem)
    owed = (
        charges.of(solution, _billed)
        if scenario is None
        else charges.in_scenario(solution, _billed, scenario)
    )
    monthly = ((one, cents(exact(one.usd) / months)) for one in owed)
    return tuple(
        PlanCharge(provider=one.provider, kind=one.kind, what=one.what, monthly_usd=usd)
        for one, usd in monthly
        if usd
    )


def _billed(column: Bought) -> float:
    return column.purchase.billed
