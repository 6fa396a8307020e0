"""What a search finds: solved sets of options, and what is proven of all plans."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimiser.planning.leaf import Decomposed, Leaf
from optimiser.planning.leaves import Bought, Site, Solution, solution_of
from optimiser.planning.problem import How, Option
from optimiser.planning.worthwhile import passed_over_told


@dataclass(frozen=True)
class Found:
    """One solved leaf: USD over the horizon as commitments are weighed, charges included, and the solution.

    usd_per_kg is what a kilogram of CO2e was priced at beyond the policy's price, for a cap's sake, to find it.
    instead is the solution of a plan that had to be made anew for rules on the schedule, or is put together of several
    sites'.
    """

    usd: float
    site: Site
    options: tuple[Option, ...]
    leaf: Leaf
    bought: dict[How, list[Bought]]
    result: Decomposed
    usd_per_kg: float = 0.0
    instead: Solution | None = None

    @property
    def solution(self) -> Solution:
        """Units per period and purchase."""
        if self.instead is not None:
            return self.instead
        assert self.result.fleet is not None  # noqa: S101 - only feasible leaves are kept as Found
        return solution_of(self.leaf, self.bought, self.result.fleet)

    def rank(self) -> tuple[object, ...]:
        """Plans in order: the cheapest first, then that of fewest options."""
        return self.usd, len(self.options), self.site, [option.id for option in self.options]

    @property
    def machines(self) -> frozenset[str]:
        """Ids of the options the plan really uses."""
        return frozenset(column.option.id for column in self.solution.columns)


@dataclass
class Outcome:
    """plans ascend by cost; lower_usd bounds every plan that the policy allows, but those with machines passed_over;
    exact is False off the listed path.

    Costs are what is minimised: commitments weighed against falling prices (weighing.py), all else as billed, and
    what is owed beside them (charges.py).

    leaves is how many sets of options were bounded, leaves_solved how many had to be solved. carbon_steps is how many
    carbon prices were searched at for a cap (0: none). timed_out: a solver was stopped by the clock.
    splits are those of demand over sites that were tried, and that lower_usd bounds, in words ("": it is not split);
    schedule how rules on it raised lower_usd ("": they did not). passed_over are instance types of which some
    purchases were not considered (worthwhile.py).
    """

    plans: list[Found] = field(default_factory=list)
    lower_usd: float = np.inf
    leaves: int = 0
    leaves_solved: int = 0
    exact: bool = True
    unit_rps: float = 0.0
    dropped: tuple[str, ...] = ()
    caps_priced: bool = False
    carbon_steps: int = 0
    timed_out: bool = False
    splits: str = ""
    schedule: str = ""
    passed_over: tuple[str, ...] = ()

    @property
    def method(self) -> str:
        """How the bound came about, in words."""
        exactly = (
            "every fleet of the last candidates listed"
            if self.exact
            else f"sums rounded both ways to {self.unit_rps:g} req/s"
        )
        caps = ", quotas and limits on GPUs priced in every hour" if self.caps_priced else ""
        carbon = f"; {self.carbon_steps} carbon prices for the cap" if self.carbon_steps else ""
        schedule = f"; {self.schedule}" if self.schedule else ""
        apart = "; each site's part of the demand by itself" if self.splits else ""
        passed = f"; without {passed_over_told(self.passed_over)}" if self.passed_over else ""
        return (
            f"branch and bound over sites and instance types, {self.leaves_solved} of {self.leaves} sets solved; "
            f"two-sided decomposition over hours, {exactly}{caps}{schedule}{carbon}{apart}{passed}"
        )

    @property
    def best(self) -> Found | None:
        """The cheapest plan found."""
        return self.plans[0] if self.plans else None

    def best_of(self, provider: str) -> Found | None:
        """The cheapest plan within one provider."""
        return next((plan for plan in self.plans if all(part[0] == provider for part in plan.site)), None)
