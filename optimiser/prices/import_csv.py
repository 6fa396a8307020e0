"""`optimiser prices import`: anyone's price list, checked row by row, into the project's own schema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.files import locked
from optimiser.prices.rows import COLUMNS, money_text, parse_row
from optimiser.prices.snapshot import read_offers_csv, read_table, write_offers_csv
from providers.offer import FIRST_CREDIBLE_YEAR, STANDARD, TEST_DOUBLE_USD_PER_HOUR, Missing, Offer, Tier
from providers.shape import InstanceShape

ALIASES = {
    "commitment": "kind",
    "payment_option": "payment",
    "as_of_date": "observed_on",
    "date_is_lower_bound": "observed_on_is_lower_bound",
    "left_out_because": "missing_reason",
}
CROSS_CHECKS = ("gpu_count", "gpu_memory_gb_each", "vcpus", "memory_gb", "amortised_usd_per_hour")
IGNORED_COLUMNS = ("gpu_name", "notes")
SPOT_IS_NO_DISCOUNT_FROM = Decimal("0.99")
AMORTISED_TOLERANCE = Decimal("0.001")
ERRORS_SHOWN = 8
_KNOWN_COLUMNS = (*COLUMNS, *ALIASES, *CROSS_CHECKS, *IGNORED_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import did: offers and Missing rows taken in, how many standing ones made way for them, rows
    skipped by reason, the instance types skipped for want of a shape, and where the prices are now.
    """

    imported: int
    missing: int
    replaced: int
    skipped_by_reason: dict[str, int]
    unknown_instance_types: tuple[str, ...]
    destination: Path


@dataclass
class _Reading:
    """What a file held so far."""

    offers: dict[str, tuple[int, Offer]] = field(default_factory=dict)
    missing: dict[str, tuple[int, Missing]] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    unknown_types: set[str] = field(default_factory=set)
    other_providers: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


def import_prices(
    file: Path,
    provider: str,
    known_shapes: Mapping[tuple[str, str], InstanceShape],
    destination: Path,
    *,
    gpu_memory_gb: Mapping[str, float] | None = None,
    replace_all: bool = False,
    as_of: date | None = None,
) -> ImportReport:
    """Merge the rows of one provider in file into the price file `destination`; all rows or none.

    A row replaces what stands under its own key; a Missing replaces the list prices of its instance type,
    region, zone and tier, and the other way round. With replace_all nothing that stood before is kept.
    gpu_memory_gb (GB per GPU by name) allows the check of gpu_memory_gb_each; as_of is today. Raises
    UsageError.
    """
    today = as_of or date.today()  # noqa: DTZ011 (the user's own calendar day)
    if not any(known == provider for known, _ in known_shapes):
        known = did_you_mean(provider, {name for name, _ in known_shapes})
        add = f"add config/instances/{provider}.yaml with its instance types, or {known}"
        raise bad_value("--provider", "provider", provider, f"no instance types are known for it: {add}")
    reading = _read(file, provider, known_shapes, gpu_memory_gb or {}, today)
    _spot_without_discount(reading)
    _refuse_contradictions(reading, file)
    if reading.errors:
        raise UsageError(_error_text(file, reading.errors))
    if not reading.offers and not reading.missing:
        raise _nothing_to_import(file, provider, reading)
    with locked(destination):
        replaced = _merge(reading, destination, replace_all)
    if reading.other_providers:
        reading.skipped["another provider"] = reading.other_providers.total()
    return ImportReport(
        imported=len(reading.offers),
        missing=len(reading.missing),
        replaced=replaced,
        skipped_by_reason=dict(sorted(reading.skipped.items())),
        unknown_instance_types=tuple(sorted(reading.unknown_types)),
        destination=destination,
    )


def _read(
    file: Path,
    provider: str,
    shapes: Mapping[tuple[str, str], InstanceShape],
    gpu_memory_gb: Mapping[str, float],
    today: date,
) -> _Reading:
    reading = _Reading()
    header_checked = False
    for line, cells in read_table(file):
        if not header_checked:
            _check_columns(cells, file)
            header_checked = True
        row = {ALIASES.get(name, name): value for name, value in cells.items()}
        named = row.get("provider") or provider
        if named != provider:
            reading.other_providers[named] += 1
            continue
        where, instance_type = f"{file} line {line}", row.get("instance_type", "")
        shape = shapes.get((provider, instance_type))
        if shape is None and instance_type:
            reading.skipped["instance type not in config/instances"] += 1
            reading.unknown_types.add(instance_type)
            continue
        try:
            price = parse_row(row | {"provider": provider}, where, today)
            refusal = _other_hardware(row, shape, gpu_memory_gb, where) if shape else None
            _check_amortised(row, price, where)
            _refuse_test_double(price, where)
        except UsageError as error:
            reading.errors.append(str(error))
            continue
        if refusal:
            reading.skipped[refusal] += 1
        else:
            _add(reading, price, line, where)
    return reading


def _check_columns(cells: Mapping[str, str], file: Path) -> None:
    """UsageError for an unknown column, a column under two names, or one that is needed and not there."""
    fields: dict[str, str] = {}
    where = f"{file} line 1"
    for name in cells:
        if name not in _KNOWN_COLUMNS:
            raise bad_value(where, "column", name, f"is not known; {did_you_mean(name, _KNOWN_COLUMNS)}")
        meant = ALIASES.get(name, name)
        if meant in fields:
            raise bad_value(where, "column", name, f"means {meant}, which {fields[meant]} gives already")
        fields[meant] = name
    for needed in ("region", "instance_type", "tier", "observed_on", "source"):
        if needed not in fields:
            raise bad_value(where, "column", needed, "is missing from the header")


def _add(reading: _Reading, price: Offer | Missing, line: int, where: str) -> None:
    """File the price, or the error that its key was given before."""
    if isinstance(price, Missing):
        before, name = reading.missing.setdefault(price.place, (line, price))[0], price.place
    else:
        before, name = reading.offers.setdefault(price.offer_id, (line, price))[0], price.offer_id
    if before != line:
        reading.errors.append(str(bad_value(where, "key", name, f"was given on line {before} already")))


def _other_hardware(
    row: Mapping[str, str], shape: InstanceShape, gpu_memory_gb: Mapping[str, float], where: str
) -> str | None:
    """Why the row is about other hardware than its instance type has in config/instances, or None."""
    expected: dict[str, float] = {
        "gpu_count": shape.gpu_count,
        "vcpus": shape.vcpus,
        "memory_gb": shape.memory_gib,
    }
    if shape.gpu in gpu_memory_gb:
        expected["gpu_memory_gb_each"] = gpu_memory_gb[shape.gpu]
    given = {name: _number(row[name], name, where) for name in expected if row.get(name)}
    for name, value in given.items():
        if value != Decimal(str(expected[name])):
            return f"{name} differs from config/instances ({shape.instance_type})"
    return None


def _check_amortised(row: Mapping[str, str], price: Offer | Missing, where: str) -> None:
    stated = row.get("amortised_usd_per_hour", "")
    if not stated or isinstance(price, Missing):
        return
    amortised = price.amortised_usd_per_hour
    if abs(_number(stated, "amortised_usd_per_hour", where) - amortised) > AMORTISED_TOLERANCE * amortised:
        parts = f"usd_per_hour + upfront_usd / term hours is {amortised:.6f}"
        raise bad_value(where, "amortised_usd_per_hour", stated, f"{parts}: more than 0.1 % away")


def _refuse_test_double(price: Offer | Missing, where: str) -> None:
    """UsageError for what no cloud says: a test server's price, or a day before any GPU here was for hire."""
    if price.observed_on.year < FIRST_CREDIBLE_YEAR:
        raise bad_value(where, "observed_on", str(price.observed_on), f"{FIRST_CREDIBLE_YEAR} or later")
    if isinstance(price, Offer) and price.usd_per_hour == TEST_DOUBLE_USD_PER_HOUR:
        raise bad_value(
            where, "usd_per_hour", money_text(price.usd_per_hour), "is a test server's, no cloud's"
        )


def _number(text: str, name: str, where: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise bad_value(where, name, text, "must be a number") from error
    if not number.is_finite() or number < 0:
        raise bad_value(where, name, text, "must be finite and not negative")
    return number


def _spot_without_discount(reading: _Reading) -> None:
    """Turn spot quotes at 99 % of the list price and above into Missing: that is a cap, not capacity."""
    list_prices = {
        (offer.provider, offer.region, offer.instance_type): offer.usd_per_hour
        for _, offer in reading.offers.values()
        if offer.tier == Tier.ON_DEMAND and offer.market == STANDARD and not offer.contract
    }
    for offer_id, (line, offer) in list(reading.offers.items()):
        on_demand = list_prices.get((offer.provider, offer.region, offer.instance_type))
        if offer.tier != Tier.SPOT or on_demand is None:
            continue
        if offer.usd_per_hour >= SPOT_IS_NO_DISCOUNT_FROM * on_demand:
            del reading.offers[offer_id]
            amounts = f"spot {money_text(offer.usd_per_hour)} against on demand {money_text(on_demand)}"
            reading.missing[offer.place] = (
                line,
                Missing(
                    provider=offer.provider,
                    region=offer.region,
                    region_kind=offer.region_kind,
                    zone=offer.zone,
                    instance_type=offer.instance_type,
                    tier=offer.tier,
                    reason=f"{amounts}: no discount or no spare capacity",
                    observed_on=offer.observed_on,
                    source=offer.source,
                ),
            )


def _refuse_contradictions(reading: _Reading, file: Path) -> None:
    for line, offer in reading.offers.values():
        if not offer.contract and offer.place in reading.missing:
            said = f"line {reading.missing[offer.place][0]} says that there is no such price"
            reading.errors.append(str(bad_value(f"{file} line {line}", "key", offer.offer_id, said)))


def _merge(reading: _Reading, destination: Path, replace_all: bool) -> int:
    """Write old and new prices together; the number of old ones that made way for a new one."""
    old_offers: list[Offer] = []
    old_missing: list[Missing] = []
    if destination.exists() and not replace_all:
        old_offers, old_missing = read_offers_csv(destination)
    priced = {offer.place for _, offer in reading.offers.values() if not offer.contract}
    kept_offers = [
        offer
        for offer in old_offers
        if offer.offer_id not in reading.offers and (offer.contract or offer.place not in reading.missing)
    ]
    kept_missing = [
        missing
        for missing in old_missing
        if missing.place not in reading.missing and missing.place not in priced
    ]
    write_offers_csv(
        destination,
        (*kept_offers, *(offer for _, offer in reading.offers.values())),
        (*kept_missing, *(missing for _, missing in reading.missing.values())),
    )
    return len(old_offers) + len(old_missing) - len(kept_offers) - len(kept_missing)


def _nothing_to_import(file: Path, provider: str, reading: _Reading) -> UsageError:
    if reading.skipped:
        reasons = "; ".join(f"{reason}: {count} rows" for reason, count in sorted(reading.skipped.items()))
        types = f" ({', '.join(sorted(reading.unknown_types)[:5])})" if reading.unknown_types else ""
        return bad_value(str(file), "provider", provider, f"every row of it was skipped: {reasons}{types}")
    found = ", ".join(sorted(reading.other_providers)) or "none at all"
    return bad_value(str(file), "provider", provider, f"no row is of this provider (in the file: {found})")


def _error_text(file: Path, errors: list[str]) -> str:
    if len(errors) == 1:
        return f"{errors[0]} (nothing was imported)"
    more = [f"… and {len(errors) - ERRORS_SHOWN} more"] if len(errors) > ERRORS_SHOWN else []
    return "\n  ".join(
        [f"{file}: {len(errors)} bad rows, nothing was imported:", *errors[:ERRORS_SHOWN], *more]
    )
