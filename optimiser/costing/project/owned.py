"""What owned servers cost a month, and how busy they must be to be cheaper than renting by the hour."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from optimiser.costing.project.amounts import ONE
from optimiser.planning.offer_money import exact
from optimiser.planning.plan import HOURS_PER_MONTH
from optimiser.planning.weighing import upfront_weight


@dataclass(frozen=True, kw_only=True)
class Owned:
    """All servers, USD a month of 730 h: by part, those paid whether they work or not (fixed), and what working all the
    time adds (variable). capital is what they lose in worth, interest what the money in them costs.
    """

    capital: Decimal
    interest: Decimal
    hosting: Decimal
    staff: Decimal
    idle_energy: Decimal
    variable: Decimal

    @property
    def fixed(self) -> Decimal:
        """USD a month whatever they do."""
        return self.capital + self.interest + self.hosting + self.staff + self.idle_energy

    def usd_per_month(self, utilisation: Decimal) -> Decimal:
        """fixed + utilisation × variable."""
        return self.fixed + utilisation * self.variable


def owned_cost(amount: Callable[[str], Decimal], servers: int) -> Owned:
    """What owning costs, written off in equal parts; amount gives a field of buy_or_rent by its name. With interest it
    is the annuity at the cost of capital: i / (1 − (1 + i)^−months) of what is written off, the capital recovery factor
    (Park, Contemporary Engineering Economics, ch. 3), and i of what servers are sold for at the end.

    capital      servers × USD per server × (1 − residual share) / depreciation months        USD a month
    interest     (capital recovery factor − 1 / months) × what is written off + i × residual    i of a month
    hosting      servers × kW per server × USD per kW and month
    staff        as given, for all of them
    idle energy  servers × kW per server × idle share × PUE × USD/kWh × 730 h
    variable     servers × kW per server × (1 − idle share) × PUE × USD/kWh × 730 h           at full use
    """
    kw = servers * amount("kw_per_server")
    idle = amount("idle_power_share")
    energy = kw * amount("pue") * amount("usd_per_kwh") * HOURS_PER_MONTH
    price, kept = servers * amount("usd_per_server"), amount("residual_share")
    months, rate = amount("depreciation_months"), float(amount("discount_rate_per_year"))
    capital = price * (ONE - kept) / months
    a_month = exact(math.expm1(math.log1p(rate) / 12))
    return Owned(
        capital=capital,
        interest=capital * (exact(upfront_weight(rate, float(months))) - ONE) + price * kept * a_month,
        hosting=kw * amount("hosting_usd_per_kw_month"),
        staff=amount("staff_usd_per_month"),
        idle_energy=energy * idle,
        variable=energy * (ONE - idle),
    )


def break_even_by_hour(owned: Owned, gpus: int, usd_per_gpu_hour: Decimal) -> Decimal | None:
    """The utilisation at which owning costs what renting the hours used does; None where it never does.

    fixed / (GPUs × 730 h × USD per GPU-hour − variable)
    """
    saved = gpus * HOURS_PER_MONTH * usd_per_gpu_hour - owned.variable
    return owned.fixed / saved if saved > 0 else None
