"""A finished plan's JSON, read for checking: nothing here uses the code that made the plan."""

from __future__ import annotations

from typing import Any

TOLERANCE = 1e-6
HOURS_PER_MONTH = 730


class PlanView:
    """Running units and capacity per period of a plan's JSON (one service).

    Periods count on from scenario to scenario: units[purchase id][period] whole units; planned[period] req/s,
    and committable[period] what commitments are held to;
    hours[period], by the scenario's probability. sites are those that demand is split over; of a view of one of them,
    on_loss is how many times its planned demand it gets where another is lost.
    """

    def __init__(self, plan: dict[str, Any], on_loss: float = 1.0) -> None:
        self.plan, self.on_loss = plan, on_loss
        self.sites = {(row["provider"], row["region"]): row for row in plan.get("sites", [])}
        self.policy: dict[str, Any] = plan["policy"]
        self.options: dict[str, dict[str, Any]] = {option["id"]: option for option in plan["options"]}
        self.offers: dict[str, dict[str, Any]] = {offer["id"]: offer for offer in plan["offers"]}
        self.purchases: dict[str, dict[str, Any]] = {one["id"]: one for one in plan["purchases"]}
        self.by_size = any(service.get("routing") == "by_size" for service in plan.get("services", ()))
        self.spare_unit = float(plan["spare_unit_rps"])
        self.hours = [
            float(period["hours"]) * float(scenario["probability"])
            for scenario in plan["scenarios"]
            for period in plan["periods"]
        ]
        self.planned, self.committable = [0.0] * len(self.hours), [0.0] * len(self.hours)
        for row in plan["demand"]:
            committable = row.get("committable_rps")
            self.planned[self.index(row)] += row["planned_rps"]
            self.committable[self.index(row)] += row["planned_rps"] if committable is None else committable
        self.units = {name: [0] * len(self.hours) for name in self.purchases}
        for row in plan["counts"]:
            self.units[row["purchase"]][self.index(row)] += row["units"]

    def option_of(self, purchase: str) -> dict[str, Any]:
        """The option a purchase pays for."""
        return self.options[self.purchases[purchase]["option"]]

    def offer_of(self, purchase: str) -> dict[str, Any]:
        """The offer a purchase takes."""
        return self.offers[self.purchases[purchase]["offer"]]

    def rate(self, purchase: str) -> float:
        """Requests per second of one unit."""
        return float(self.option_of(purchase)["rate_rps"])

    def how(self, purchase: str) -> str:
        """commitment | held_on_demand | on_demand | spot | owned."""
        return str(self.purchases[purchase]["how"])

    def capacity(self, period: int, *hows: str) -> float:
        """Requests per second running in a period, of the given kinds (all kinds where none is given)."""
        return sum(
            self.rate(name) * units[period]
            for name, units in self.units.items()
            if not hows or self.how(name) in hows
        )

    def spot_by_pool(self, period: int) -> dict[str, float]:
        """Requests per second of spot running in a period, by pool."""
        held: dict[str, float] = {}
        for name, units in self.units.items():
            if self.how(name) == "spot":
                pool = self.purchases[name]["pool"]
                held[pool] = held.get(pool, 0.0) + self.rate(name) * units[period]
        return held

    def firm_rates(self, period: int) -> list[float]:
        """The rate of every unit running in a period that is not spot, req/s."""
        return [
            self.rate(name)
            for name, units in self.units.items()
            if self.how(name) != "spot"
            for _ in range(units[period])
        ]

    def instance_hours_a_month(self, scenario: int) -> dict[str, float]:
        """Instance-hours of each purchase in a month of 730 h of one scenario."""
        lengths = [float(period["hours"]) for period in self.plan["periods"]]
        first = scenario * len(lengths)
        return {
            name: sum(
                n * hours for n, hours in zip(units[first : first + len(lengths)], lengths, strict=True)
            )
            * self.option_of(name)["instances_per_unit"]
            * HOURS_PER_MONTH
            / sum(lengths)
            for name, units in self.units.items()
        }

    def used(self) -> list[str]:
        """Purchases of which any unit ever runs."""
        return [name for name, units in self.units.items() if any(units)]

    def largest_used(self) -> float:
        """Rate of the largest unit the plan uses at all, req/s."""
        return max((self.rate(name) for name in self.used()), default=0.0)

    def smallest_used(self) -> float:
        """Rate of the smallest unit the plan uses at all, req/s."""
        return min((self.rate(name) for name in self.used()), default=0.0)

    def required(self, period: int, unit: float | None = None) -> float:
        """Capacity a period must have under the policy for the loss of such a unit (the plan's own), req/s."""
        unit = self.spare_unit if unit is None else unit
        planned = self.planned[period]
        if planned <= 0:
            return 0.0
        spare = int(self.policy["survive_instance_losses"]) * unit
        zones = self.policy["survive_zone_loss_of"]
        over_zones = planned * zones / (zones - 1) + unit if zones else 0.0
        ceiling = float(self.policy["utilisation_ceiling"])
        return max(planned / ceiling, planned + spare, over_zones, planned * self.on_loss)

    def parts(self) -> list[PlanView]:
        """Each of the sites that demand is split over, as a plan for its share; the plan itself where it is not."""
        return [self._part(place) for place in self.sites] or [self]

    def _part(self, place: tuple[str, str]) -> PlanView:
        row = self.sites[place]
        options = [one for one in self.plan["options"] if (one["provider"], one["region"]) == place]
        names = {one["id"] for one in options}
        purchases = [one for one in self.plan["purchases"] if one["option"] in names]
        bought = {one["id"] for one in purchases}
        rates = ("mean_rps", "planned_rps", "committable_rps")
        part = {
            **self.plan,
            "sites": [],
            "options": options,
            "purchases": purchases,
            "counts": [one for one in self.plan["counts"] if one["purchase"] in bought],
            "demand": [
                {
                    **one,
                    **{rate: one[rate] * row["traffic_share"] for rate in rates if one.get(rate) is not None},
                }
                for one in self.plan["demand"]
            ],
            "spare_unit_rps": row["spare_unit_rps"],
        }
        return PlanView(part, self.times_on_loss(place))

    def times_on_loss(self, place: tuple[str, str]) -> float:
        """How many times its own part a site carries where the heaviest other is lost and its requests are dealt out by
        the shares of the rest."""
        if not self.policy.get("survive_region_loss", False):
            return 1.0
        others = [float(row["traffic_share"]) for other, row in self.sites.items() if other != place]
        return 1.0 / (1.0 - max(others)) if others else 1.0

    def periods(self) -> range:
        """Indices of the periods of every scenario."""
        return range(len(self.hours))

    def when(self, period: int) -> str:
        """A period by its number, and by its scenario where there are several."""
        scenario, number = divmod(period, len(self.plan["periods"]))
        alone = len(self.plan["scenarios"]) == 1
        return f"period {number}" + ("" if alone else f" of {self.plan['scenarios'][scenario]['name']!r}")

    def index(self, row: dict[str, Any]) -> int:
        """The period that a row of the plan is of."""
        return int(row["scenario"]) * len(self.plan["periods"]) + int(row["period"])


def worst(faults: list[tuple[float, str]]) -> list[str]:
    """The gravest fault and how many more there are, as one sentence."""
    if not faults:
        return []
    _, text = max(faults)
    return [text + (f" (and {len(faults) - 1} more periods)" if len(faults) > 1 else "")]
