"""What a project's serving plans sign, and how much of it is owed after the project's end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from optimiser.costing.project.amounts import in_cents, total
from optimiser.planning.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Signed:
    """The commitments of a plan that have the same term: months, and over all of it USD, of which up front."""

    term_months: int
    contract_value_usd: Decimal
    upfront_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class Commitments:
    """What the plan of the month that asks most, as expected, signs: USD over all terms, of which up front.

    longest_term_months is of the plans of all months. usd_beyond_end is owed for months after the project's last,
    months_beyond_end of the contract that runs longest, where a month signs what its plan has beyond what still runs.
    """

    largest_in: str
    contract_value_usd: Decimal
    upfront_usd: Decimal
    longest_term_months: int
    months_beyond_end: int
    usd_beyond_end: Decimal


def signed_in(plan: Plan) -> tuple[Signed, ...]:
    """What a plan signs, by term, shortest first."""
    terms = {offer.id: offer.term_months for offer in plan.offers}
    signed = [(terms[one.offer], one.commitment) for one in plan.purchases if one.commitment is not None]
    return tuple(
        Signed(
            term_months=term,
            contract_value_usd=total([one.contract_value_usd for months, one in signed if months == term]),
            upfront_usd=total([one.upfront_usd for months, one in signed if months == term]),
        )
        for term in sorted({months for months, _ in signed})
    )


def commitments_over(
    signed: Sequence[Sequence[Signed]], queries: Sequence[Decimal], months: Sequence[str]
) -> Commitments | None:
    """What is signed for the months' own plans, in the first of those that ask the most queries, and what is owed of
    all of them after the last; None where no month signs anything.
    """
    terms = {one.term_months for plan in signed for one in plan}
    if not terms:
        return None
    at = queries.index(max(queries))
    return Commitments(
        largest_in=months[at],
        contract_value_usd=total([one.contract_value_usd for one in signed[at]]),
        upfront_usd=total([one.upfront_usd for one in signed[at]]),
        longest_term_months=max(terms),
        months_beyond_end=max(_beyond_end(signed, term)[0] for term in terms),
        usd_beyond_end=usd_beyond_end(signed),
    )


def usd_beyond_end(signed: Sequence[Sequence[Signed]]) -> Decimal:
    """USD owed after the last month for what is signed for the months' own plans, in whole cents."""
    terms = {one.term_months for plan in signed for one in plan}
    return in_cents(total([_beyond_end(signed, term)[1] for term in sorted(terms)]))


def _beyond_end(signed: Sequence[Sequence[Signed]], term_months: int) -> tuple[int, Decimal]:
    """Months after the last and USD owed for them: a month signs, for the term, what its plan pays a month beyond what
    contracts of months before still pay.
    """
    contracts: list[tuple[int, Decimal]] = []
    for month, plan in enumerate(signed):
        needed = (
            total([one.contract_value_usd for one in plan if one.term_months == term_months]) / term_months
        )
        missing = needed - total([usd for ends, usd in contracts if ends > month])
        if missing > 0:
            contracts.append((month + term_months, missing))
    after = [(ends - len(signed), usd) for ends, usd in contracts if ends > len(signed)]
    return max((left for left, _ in after), default=0), total([left * usd for left, usd in after])
