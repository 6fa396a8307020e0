"""What a project comes to per user, per query and per 1M tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from optimiser.costing.project.amounts import rounded, total
from optimiser.costing.project.formulas import HOURS_PER_DAY
from optimiser.costing.project.lines import monthly_queries
from optimiser.costing.project.schema import ProjectFields
from optimiser.planning.plan import HOURS_PER_MONTH

_UNIT = Decimal("0.000001")


@dataclass(frozen=True, kw_only=True)
class UnitCosts:
    """As expected, USD: of the whole project and of serving alone, over the months in which it is used; per 1M tokens
    None where the tokens of a query are not known.
    """

    users_months: Decimal
    queries: Decimal
    usd_per_user_month: Decimal
    usd_per_query: Decimal
    usd_per_million_tokens: Decimal | None
    serving_usd_per_user_month: Decimal
    serving_usd_per_query: Decimal
    serving_usd_per_million_tokens: Decimal | None


def unit_costs(
    fields: ProjectFields,
    values: Mapping[str, Decimal],
    whole_usd: Decimal,
    serving_usd: Decimal,
    tokens_per_query: Decimal | None,
) -> UnitCosts | None:
    """Totals over the queries, users and tokens of the horizon; a user counts in each month.

    users × months = queries × 24 / (queries per user and day × 730)
    """
    if fields.inference is None:
        return None
    asked = total(monthly_queries(fields, values))
    users = asked * HOURS_PER_DAY / (values["inference.queries_per_user_day"] * HOURS_PER_MONTH)

    def per_million(usd: Decimal) -> Decimal | None:
        tokens = tokens_per_query
        return None if tokens is None else rounded(usd / (asked * tokens) * 1_000_000, _UNIT)

    return UnitCosts(
        users_months=rounded(users, _UNIT),
        queries=rounded(asked, _UNIT),
        usd_per_user_month=rounded(whole_usd / users, _UNIT),
        usd_per_query=rounded(whole_usd / asked, _UNIT),
        usd_per_million_tokens=per_million(whole_usd),
        serving_usd_per_user_month=rounded(serving_usd / users, _UNIT),
        serving_usd_per_query=rounded(serving_usd / asked, _UNIT),
        serving_usd_per_million_tokens=per_million(serving_usd),
    )
