"""How the prices of one instance type went: every point that was fetched, and one series per place and terms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import pandas as pd

from optimiser.report.terms import OFFER_FIELDS, OfferRow
from providers.fetch import Scope
from providers.offer import HOURS_PER_YEAR, Tier

Terms = tuple[str, str, int, str, str]
Place = tuple[str, str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class HistoryPoint(OfferRow):
    """What one refresh saw: a price, or (amounts None) that there is none and why. amortised is all in.

    snapshot_id 0 is a step of a spot price that the cloud told afterwards.
    """

    observed_at: datetime
    usd_per_hour: Decimal | None
    upfront_usd: Decimal | None
    amortised_usd_per_hour: Decimal | None
    snapshot_id: int
    missing_reason: str

    @property
    def is_step(self) -> bool:
        """Whether the cloud told it afterwards, and no refresh saw it."""
        return self.snapshot_id == 0

    @property
    def scope(self) -> Scope:
        """The part of a refresh it belongs to."""
        return Scope(self.provider, self.region, Tier(self.tier))

    @property
    def place(self) -> Place:
        """Provider, region, kind of region, zone and tier."""
        return self.provider, self.region, self.region_kind, self.zone, self.tier

    @property
    def terms(self) -> Terms:
        """Market, kind, term, payment and contract."""
        return self.market, self.kind, self.term_months, self.payment, self.contract


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A point of a series: its price all in per hour from then on, or None where it was not on sale.

    is_step: the cloud told it afterwards as a change of price, so that it held until the next one.
    """

    at: datetime
    usd: Decimal | None
    reason: str = ""
    is_step: bool = False


@dataclass(frozen=True, kw_only=True)
class Series:
    """One offer over time, oldest moment first. example is any priced point of it."""

    example: HistoryPoint
    moments: tuple[Moment, ...]

    @property
    def prices(self) -> list[Decimal]:
        """What was seen of it, in order; never empty."""
        return [moment.usd for moment in self.moments if moment.usd is not None]

    def price_at(self, moment: datetime, carry_hours: float | None) -> Decimal | None:
        """What it costs at a moment after all of its own: the last price, None where it is not on sale, or was
        last fetched more than carry_hours before (None: no limit).
        """
        last = self.moments[-1]
        if carry_hours is not None and moment - last.at > timedelta(hours=carry_hours):
            return None
        return last.usd

    @property
    def median(self) -> Decimal:
        """The median over refreshes."""
        return median(self.prices)

    @property
    def relative(self) -> Decimal:
        """The last price seen against the first, as a share of the first."""
        return self.prices[-1] / self.prices[0] - 1


def points_of(table: pd.DataFrame) -> list[HistoryPoint]:
    """The rows of the store's history, by place, terms and time; money exact from its text."""
    return sorted(
        map(_point, table.to_dict("records")), key=lambda one: (one.place, one.terms, one.observed_at)
    )


def series_of(
    points: Iterable[HistoryPoint], fetched: Mapping[Scope, datetime]
) -> tuple[list[Series], list[HistoryPoint]]:
    """The series of those points, in their order; and, of every place that never had a price, the last point.

    A Missing ends every list price of its place (its region, where it names no zone). So does a refresh of the
    same scope that saw other prices of this instance type but not this one, or, if it is the last (fetched), none
    of it at all. points must be all of those scopes in their time.
    """
    priced: dict[tuple[Place, Terms], list[HistoryPoint]] = defaultdict(list)
    absent: dict[Place, list[HistoryPoint]] = defaultdict(list)
    seen = {scope: {at} for scope, at in fetched.items()}
    for point in points:
        if not point.is_step:
            seen.setdefault(point.scope, set()).add(point.observed_at)
        if point.amortised_usd_per_hour is None:
            absent[point.place].append(point)
        else:
            priced[point.place, point.terms].append(point)
    found = []
    for own in priced.values():
        one = own[0]
        whole_region = (*one.place[:3], "", one.place[4])
        said = [] if one.contract else [*absent.get(whole_region, []), *absent.get(one.place, [])]
        found.append(_series(own, said, seen.get(one.scope, set())))
    sold = {place for place, _ in priced}
    never = [
        max(those, key=lambda one: one.observed_at) for place, those in absent.items() if place not in sold
    ]
    return found, never


def _series(
    own: Sequence[HistoryPoint], said: Sequence[HistoryPoint], refreshes: Iterable[datetime]
) -> Series:
    """The moments of one offer from its first price on: its own, what was said against it, and its absences."""
    first = min(point.observed_at for point in own)
    moments = {at: Moment(at=at, usd=None) for at in refreshes if at >= first}
    for point in (*said, *own):
        if point.observed_at >= first:
            at = point.observed_at
            moments[at] = Moment(
                at=at, usd=point.amortised_usd_per_hour, reason=point.missing_reason, is_step=point.is_step
            )
    return Series(example=own[0], moments=tuple(moments[at] for at in sorted(moments)))


def _point(row: dict[Any, Any]) -> HistoryPoint:
    hourly, upfront = _amount(row["usd_per_hour_text"]), _amount(row["upfront_usd_text"])
    amortised = hourly
    if hourly is not None and upfront:
        amortised = hourly + upfront * 12 / (int(row["term_months"]) * HOURS_PER_YEAR)
    return HistoryPoint(
        **{name: row[name] for name in OFFER_FIELDS},
        observed_at=row["observed_at"].to_pydatetime(),
        usd_per_hour=hourly,
        upfront_usd=None if hourly is None else upfront or Decimal(0),
        amortised_usd_per_hour=amortised,
        snapshot_id=int(row["snapshot_id"]),
        missing_reason=str(row["missing_reason"]),
    )


def _amount(text: str) -> Decimal | None:
    return Decimal(text) if text else None
