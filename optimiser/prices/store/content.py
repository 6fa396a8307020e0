"""What a scope's prices say, in one canonical form: equal prices make equal rows and one digest."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from optimiser.prices.refreshed import ScopePrices
from optimiser.prices.store.amounts import to_nano
from optimiser.prices.store.errors import StoreError
from providers.offer import Missing, Offer

MOST_MOMENTS = 8
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# A price list's version or the moment of an answer: 20260910195514, 2026-11-21, 2026-11-21T02:00:00Z.
_MOMENT = re.compile(r"(?<!\d)(?:\d{14}|\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|\+00:00)?)?)(?!\d)", re.ASCII)
_MARK = re.compile(r"\x02(\d+)\x02", re.ASCII)


class Key(NamedTuple):
    """What tells a row of a scope from its others. market is "" for a Missing, which speaks of a whole place."""

    region_kind: str
    zone: str
    instance_type: str
    market: str
    kind: str
    term_months: int
    payment: str
    contract: str


class Row(NamedTuple):
    """One price, or one Missing (amounts None, with a reason). Amounts in nano-USD, the day as ISO text."""

    key: Key
    usd_per_hour_nano: int | None
    upfront_usd_nano: int | None
    max_instances: int | None
    valid_until: str | None
    source: str
    reason: str | None


@dataclass(frozen=True)
class Content:
    """The rows of a scope by key, with the moments that their sources name taken out, and a digest of the rows.

    Sources name the version of a price list, which is new every night though the prices are not: the rows say
    the first moment, the second moment, and moments says which those are.
    """

    rows: tuple[Row, ...]
    moments: tuple[str, ...]
    digest: str


def content_of(prices: ScopePrices) -> Content:
    """The canonical form of a scope's prices. Raises StoreError for two rows of one key."""
    rows = sorted(
        [*map(_offer_row, prices.offers), *map(_missing_row, prices.missing)], key=lambda row: row.key
    )
    for row, following in pairwise(rows):
        if row.key == following.key:
            what = "/".join(str(part) for part in row.key if part)
            raise StoreError(f"{prices.scope}: {what} was to be stored twice")
    moments = tuple(dict.fromkeys(found for row in rows for found in _MOMENT.findall(row.source)))
    if len(moments) > MOST_MOMENTS:
        moments = ()
    places = {moment: f"\x02{place}\x02" for place, moment in enumerate(moments)}
    if moments:
        rows = [
            row._replace(source=_MOMENT.sub(lambda found: places[found.group()], row.source)) for row in rows
        ]
    digest = hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()
    return Content(tuple(rows), moments, digest)


def with_moments(source: str, moments: tuple[str, ...]) -> str:
    """A stored source with its moments put back."""
    return _MARK.sub(lambda mark: moments[int(mark.group(1))], source) if moments else source


def _offer_row(offer: Offer) -> Row:
    key = Key(
        offer.region_kind,
        offer.zone,
        offer.instance_type,
        offer.market,
        offer.kind,
        offer.term_months,
        offer.payment,
        offer.contract,
    )
    return Row(
        key=key,
        usd_per_hour_nano=to_nano(offer.usd_per_hour),
        upfront_usd_nano=to_nano(offer.upfront_usd),
        max_instances=offer.max_instances,
        valid_until=offer.valid_until.isoformat() if offer.valid_until else None,
        source=_plain(offer.source),
        reason=None,
    )


def _missing_row(missing: Missing) -> Row:
    return Row(
        key=Key(missing.region_kind, missing.zone, missing.instance_type, "", "", 0, "", ""),
        usd_per_hour_nano=None,
        upfront_usd_nano=None,
        max_instances=None,
        valid_until=None,
        source=_plain(missing.source),
        reason=_plain(missing.reason),
    )


def _plain(text: str) -> str:
    return _CONTROL.sub(" ", text)
