"""What each line of a project costs. Definitions, so that their units are their source; a month has 730 h."""

from __future__ import annotations

from decimal import Decimal

from optimiser.costing.project.amounts import ONE
from optimiser.planning.plan import HOURS_PER_MONTH

GB_PER_TB = 1000
MONTHS_PER_YEAR = 12
HOURS_PER_DAY = 24


def storage_usd(tb: Decimal, usd_per_gb_month: Decimal, growth: Decimal, month: int) -> Decimal:
    """USD of the month-th month (0 the first) of keeping data that grows.

    TB × 1,000 GB/TB × USD/GB-month × (1 + growth)^month
    """
    return tb * GB_PER_TB * usd_per_gb_month * (ONE + growth) ** month


def energy_kwh(kw_per_gpu: Decimal, gpu_hours: Decimal, pue: Decimal) -> Decimal:
    """kWh that a building draws for GPUs at work: kW per GPU × (GPUs × hours) × PUE."""
    return kw_per_gpu * gpu_hours * pue


def queries(users: Decimal, growth: Decimal, month: int, queries_per_user_day: Decimal) -> Decimal:
    """Queries of the month-th month (0 the first) of a service.

    users × (1 + growth)^month × queries per user and day × 730 / 24 days
    """
    return users * (ONE + growth) ** month * queries_per_user_day * HOURS_PER_MONTH / HOURS_PER_DAY


def salaries_usd(people: Decimal, usd_per_year: Decimal, overhead: Decimal) -> Decimal:
    """USD a month: people × salary a year × overhead / 12."""
    return people * usd_per_year * overhead / MONTHS_PER_YEAR


def share_of_month(month: int, begins: int, lasts: Decimal) -> Decimal:
    """How much of a month (0 the first) lies in a span of `lasts` months from `begins` on, 0 to 1."""
    return min(ONE, max(Decimal(0), begins + lasts - month)) if month >= begins else Decimal(0)
