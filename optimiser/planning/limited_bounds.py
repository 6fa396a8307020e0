"""What ways to pay cost at least per req/s where some offers are limited in number.

Offers without end among them, a relaxation takes the cheapest price of a way to pay for as much as it likes. To take a
limited offer p (at most u_p units of r_p req/s at c_p) so is right and says little where u_p is small. Instead all of
way w may be taken to cost at least λ_w per req/s: that charges any fleet at most Σ_p u_p · max(0, λ_w · r_p − c_p) an
hour more than it pays, so

    bound(λ) = relaxation(min(λ_w, cheapest unlimited of w)) − hours · Σ_p u_p · max(0, λ_w · r_p − c_p)

holds for every λ ≥ 0 (Lagrangian relaxation of the limits: Fisher, Management Science 27, 1981), and so does the
highest of several.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from optimiser.planning.problem import How, Option

ORDER = (How.COMMITMENT, How.HELD, How.HOURLY, How.SPOT)
# Ways that can stand in for each: what follows the hour can run all along, and what is firm stand in for spot.
STAND_IN = {
    How.COMMITMENT: (How.COMMITMENT, How.HELD, How.HOURLY),
    How.HELD: (How.HELD, How.HOURLY),
    How.HOURLY: (How.HOURLY,),
    How.SPOT: (How.HOURLY, How.SPOT),
}
# Choices of λ looked at for a set of options.
MOST_CHOICES = 64

Prices = tuple[float, ...]


@dataclass(frozen=True)
class Ways:
    """What one option costs: USD per req/s and hour of each way to pay without limit, in ORDER (inf where there is
    none), and of each limited offer the way, its USD per req/s and hour, and how many req/s there are."""

    unlimited: Prices
    limited: tuple[tuple[How, float, float], ...]

    @classmethod
    def of(cls, option: Option) -> Ways:
        """Those of an option; what is owned already is in neither."""
        unlimited = dict.fromkeys(ORDER, math.inf)
        limited = []
        for one in (one for one in option.purchases if one.how in unlimited):
            usd = one.usd_per_unit_hour / option.rate_rps
            if one.max_units is None:
                unlimited[one.how] = min(unlimited[one.how], usd)
            elif one.max_units:
                limited.append((one.how, usd, one.max_units * option.rate_rps))
        return cls(tuple(unlimited.values()), tuple(limited))


def prices_to_try(options: Sequence[Ways]) -> list[tuple[Prices, float]]:
    """Prices of every way (ORDER, USD per req/s and hour) with what they may charge too much, USD an hour.

    First each at its cheapest, which charges no fleet too much; then, for sets with limited offers, others up to what
    else there is.
    """
    cheapest = tuple(map(min, zip(*(one.unlimited for one in options), strict=True)))
    limited = [offer for one in options for offer in one.limited]
    if not limited:
        return [(cheapest, 0.0)]
    unlimited = dict(zip(ORDER, cheapest, strict=True))
    levels = {how: _levels(how, unlimited, limited) for how in ORDER}
    if math.prod(map(len, levels.values())) > MOST_CHOICES:
        levels = {how: [found[0], found[-1]] for how, found in levels.items()}
    choices = []
    for chosen in dict.fromkeys(product(*levels.values())):
        at = dict(zip(ORDER, chosen, strict=True))
        prices = tuple(min(at[how], unlimited[how]) for how in ORDER)
        choices.append((prices, sum(rps * max(at[how] - usd, 0.0) for how, usd, rps in limited)))
    return choices


def _levels(
    how: How, unlimited: dict[How, float], limited: Sequence[tuple[How, float, float]]
) -> list[float]:
    """The λ of one way that are looked at, the cheapest first: prices of its limited offers below what can stand in
    for them without limit, and that."""
    offered = sorted({usd for one, usd, _ in limited if one is how})
    instead = min(unlimited[other] for other in STAND_IN[how])
    if not offered or offered[0] >= unlimited[how]:
        return [unlimited[how]]
    below = [usd for usd in offered if usd < instead] or offered[:1]
    return [*below, instead] if offered[0] < instead < math.inf else below
