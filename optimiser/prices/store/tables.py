"""The tables of the store.

price_scopes      one row per (provider, region, tier)
price_keys        one row per place and terms that ever had a price or a Missing (market "" where Missing)
price_texts       sources and reasons, each text once
price_blocks      the whole content of a scope at some moment, written once, found again by its digest
price_rows        the prices of a block: money in nano-USD (1e-9 USD), NULL where Missing
price_snapshots   one row per refresh of a provider
price_coverage    which block a snapshot put in force in which scope, and when that was seen
price_spot_steps  steps of spot prices, as clouds tell them after the fact
price_spot_signals, price_quotas   the newest of each

Times are microseconds since 1970 UTC, days are ISO text. Snapshots, coverage and blocks are written once and never
changed. What holds in a scope at a moment is the block of its newest coverage until then.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator

FORMAT = 1

METADATA = MetaData()


class _OnlyText(TypeDecorator[str]):
    """Text that is text when it is read as well: SQLite keeps bytes in such a column if somebody puts them there."""

    impl = Text
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Any) -> str | None:  # noqa: ARG002 (SQLAlchemy's signature)
        """Raises TypeError for what is not text."""
        if isinstance(value, str | None):
            return value
        raise TypeError(f"{value!r} where text should be")


def _id() -> Column[int]:
    """Numbered by the writer, of whom there is one at a time."""
    return Column("id", Integer, primary_key=True, autoincrement=False)


def _text(name: str) -> Column[str]:
    return Column(name, _OnlyText, nullable=False)


def _whole(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _moment(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _key(name: str) -> Column[str]:
    return Column(name, _OnlyText, primary_key=True)


FORMATS = Table("price_store", METADATA, Column("format", Integer, primary_key=True, autoincrement=False))

SCOPES = Table("price_scopes", METADATA, _id(), _text("provider"), _text("region"), _text("tier"))

KEYS = Table(
    "price_keys",
    METADATA,
    _id(),
    Column("scope_id", ForeignKey("price_scopes.id"), nullable=False),
    _text("region_kind"),
    _text("zone"),
    _text("instance_type"),
    _text("market"),
    _text("kind"),
    _whole("term_months"),
    _text("payment"),
    _text("contract"),
)

TEXTS = Table("price_texts", METADATA, _id(), _text("text"))

BLOCKS = Table(
    "price_blocks",
    METADATA,
    _id(),
    Column("scope_id", ForeignKey("price_scopes.id"), nullable=False),
    _text("digest"),
    Index("price_blocks_by_digest", "scope_id", "digest", unique=True),
)

# No foreign keys here: rows come and go with their block alone, and checking each would double the time of a save.
ROWS = Table(
    "price_rows",
    METADATA,
    Column("block_id", Integer, primary_key=True, autoincrement=False),
    Column("key_id", Integer, primary_key=True, autoincrement=False),
    Column("usd_per_hour_nano", BigInteger),
    Column("upfront_usd_nano", BigInteger),
    Column("max_instances", BigInteger),
    Column("valid_until", Text),
    _whole("source_id"),
    Column("reason_id", Integer),
    sqlite_with_rowid=False,
)

SNAPSHOTS = Table(
    "price_snapshots",
    METADATA,
    _id(),
    _text("provider"),
    _moment("started_at"),
    _moment("finished_at"),
    _text("source_version"),
    _text("status"),
    _text("counts"),
    _text("findings"),
    _text("failures"),
    _whole("scopes"),
    _whole("offers"),
    _whole("missing"),
)

COVERAGE = Table(
    "price_coverage",
    METADATA,
    Column("snapshot_id", ForeignKey("price_snapshots.id"), primary_key=True),
    Column("scope_id", ForeignKey("price_scopes.id"), primary_key=True),
    _moment("observed_at"),
    Column("block_id", ForeignKey("price_blocks.id"), nullable=False),
    _text("moments"),
    Index("price_coverage_by_scope", "scope_id", "observed_at", "snapshot_id"),
    sqlite_with_rowid=False,
)

SPOT_STEPS = Table(
    "price_spot_steps",
    METADATA,
    _key("instance_type"),
    _key("provider"),
    _key("region"),
    _key("zone"),
    Column("since", BigInteger, primary_key=True, autoincrement=False),
    Column("usd_per_hour_nano", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

SPOT_SIGNALS = Table(
    "price_spot_signals",
    METADATA,
    _key("provider"),
    _key("region"),
    _key("instance_type"),
    Column("low_percent", Double, nullable=False),
    Column("high_percent", Double),
    _text("per"),
    Column("savings_percent", Double),
    _moment("observed_at"),
    _text("source"),
)

QUOTAS = Table(
    "price_quotas",
    METADATA,
    _key("provider"),
    _key("region"),
    _key("quota_family"),
    _key("tier"),
    _text("unit"),
    Column("limit", Double, nullable=False),
    Column("used", Double),
    _moment("observed_at"),
)
