"""The prices in force with their age, and every price that does not exist with the reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pandas as pd

from optimiser.errors import StalePrices, UsageError, did_you_mean
from optimiser.prices.book import PriceBook, offers_of
from optimiser.report.document import Column, Document, Row, Section, Table
from optimiser.report.terms import OFFER_FIELDS, OfferRow, offer_fields
from optimiser.report.wording import counted, hourly, usd, words
from providers.shape import InstanceShape


@dataclass(frozen=True, kw_only=True)
class PriceRow(OfferRow):
    """One price, or (usd_per_hour None) why there is none. age_days is at the book's date."""

    gpu: str
    gpu_count: int | None
    usd_per_hour: Decimal | None
    upfront_usd: Decimal | None
    amortised_usd_per_hour: Decimal | None
    observed_on: date
    age_days: int
    source: str
    missing_reason: str


def price_rows(
    book: PriceBook,
    shapes: Mapping[tuple[str, str], InstanceShape],
    filters: Mapping[str, Collection[str]],
) -> list[PriceRow]:
    """Offers and Missing that match every filter, by place, type, tier and price.

    filters maps provider, region, tier, instance_type or gpu to the names wanted (an empty collection is
    all). Raises UsageError for a name that neither the book nor the instance types know.
    """
    _check_known(book, shapes, filters)
    rows = [*_offers(book, shapes, filters), *_missing(book, shapes, filters)]
    return sorted(
        rows,
        key=lambda row: (
            row.provider,
            row.instance_type,
            row.tier,
            row.usd_per_hour is None,
            row.amortised_usd_per_hour or Decimal(0),
            row.region,
            row.zone,
        ),
    )


def price_document(book: PriceBook, rows: Sequence[PriceRow]) -> Document:
    """The rows as a report of at most a screen's width."""
    priced = [row for row in rows if row.usd_per_hour is not None]
    absent = [row for row in rows if row.usd_per_hour is None]
    headline = f"{counted(len(priced), 'price')} in force on {book.as_of}, {len(absent):,} known not to exist"
    columns = (
        Column("instance type"),
        Column("GPUs"),
        Column("where"),
        Column("paid"),
        Column("$/h all in", right=True),
        Column("up front", right=True),
        Column("age d", right=True),
    )
    return Document(
        headline,
        (
            Section("Prices", (Table(columns, tuple(map(_priced, priced))),) if priced else ()),
            Section("No price", (_absent(absent),) if absent else ()),
        ),
    )


def _offers(
    book: PriceBook, shapes: Mapping[tuple[str, str], InstanceShape], filters: Mapping[str, Collection[str]]
) -> list[PriceRow]:
    chosen = _chosen(book.offers, shapes, filters)
    rows = []
    for offer in offers_of(chosen):
        shape = shapes[offer.provider, offer.instance_type]
        rows.append(
            PriceRow(
                **offer_fields(offer),
                gpu=shape.gpu,
                gpu_count=shape.gpu_count,
                usd_per_hour=offer.usd_per_hour,
                upfront_usd=offer.upfront_usd,
                amortised_usd_per_hour=offer.amortised_usd_per_hour,
                observed_on=offer.observed_on,
                age_days=(book.as_of - offer.observed_on).days,
                source=offer.source,
                missing_reason="",
            )
        )
    return rows


def _missing(
    book: PriceBook, shapes: Mapping[tuple[str, str], InstanceShape], filters: Mapping[str, Collection[str]]
) -> list[PriceRow]:
    rows = []
    for entry in _chosen(book.missing, shapes, filters).to_dict("records"):
        shape = shapes.get((entry["provider"], entry["instance_type"]))
        observed_on = entry["observed_on"].date()
        rows.append(
            PriceRow(
                **{name: entry.get(name, "") for name in OFFER_FIELDS} | {"term_months": 0},
                gpu=shape.gpu if shape else "",
                gpu_count=shape.gpu_count if shape else None,
                usd_per_hour=None,
                upfront_usd=None,
                amortised_usd_per_hour=None,
                observed_on=observed_on,
                age_days=(book.as_of - observed_on).days,
                source=entry["source"],
                missing_reason=entry["reason"],
            )
        )
    return rows


def _chosen(
    table: pd.DataFrame,
    shapes: Mapping[tuple[str, str], InstanceShape],
    filters: Mapping[str, Collection[str]],
) -> pd.DataFrame:
    for name, wanted in filters.items():
        if not wanted:
            continue
        if name == "gpu":
            types = {key for key, shape in shapes.items() if shape.gpu in wanted}
            pairs = zip(table["provider"], table["instance_type"], strict=True)
            table = table[[pair in types for pair in pairs]]
        else:
            table = table[table[name].isin(list(wanted))]
    return table


def _check_known(
    book: PriceBook, shapes: Mapping[tuple[str, str], InstanceShape], filters: Mapping[str, Collection[str]]
) -> None:
    for name, wanted in filters.items():
        if name == "gpu":
            known = {shape.gpu for shape in shapes.values()}
        else:
            known = {*book.offers[name].unique(), *book.missing[name].unique()}
            known |= {kind for _, kind in shapes} if name == "instance_type" else set()
        for one in wanted:
            if name == "provider" and one in book.unfetched:
                raise StalePrices(
                    f"--provider {one!r}: its prices were never fetched: run `optimiser refresh`"
                )
            if one not in known:
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option} {one!r}: no such {words(name)}; {did_you_mean(one, known)}")


def _priced(row: PriceRow) -> Row:
    cells = (
        row.instance_type,
        f"{row.gpu_count} × {row.gpu}",
        row.where,
        row.paid,
        hourly(row.amortised_usd_per_hour or Decimal(0)),
        usd(row.upfront_usd) if row.upfront_usd else "",
        f"{row.age_days:,}",
    )
    return Row(cells)


def _absent(rows: Sequence[PriceRow]) -> Table:
    columns = (
        Column("instance type"),
        Column("where"),
        Column("tier"),
        Column("age d", right=True),
        Column("reason"),
    )
    return Table(
        columns,
        tuple(
            Row(
                (
                    row.instance_type,
                    row.where,
                    words(row.tier),
                    f"{row.age_days:,}",
                    row.missing_reason,
                )
            )
            for row in rows
        ),
    )
