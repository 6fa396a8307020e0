"""The embedded price snapshot against figures known from elsewhere, and what must hold in all of it."""

import csv
from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from optimiser.config import Config, load_config
from optimiser.prices.book import PriceBook, load_book
from optimiser.prices.snapshot import read_offers_csv, write_offers_csv
from providers.offer import STANDARD, Missing, Offer, Tier

AS_OF = date(2026, 11, 21)
NO_UPFRONT_YEAR = "reserved/reserved_instance/12m/no_upfront"
BLOCK = "market=capacity_block"
KNOWN = [
    # offer_id, USD per hour as published, observed on or in
    ("aws/us-east-1/p5.48xlarge/on_demand", "55.04", "2026-11-09"),
    ("aws/us-east-1/p4d.24xlarge/on_demand", "21.957642", "2026-11-09"),
    ("aws/us-east-1/p5en.48xlarge/on_demand", "63.296", "2026"),
    ("aws/us-east-1/p6-b200.48xlarge/on_demand", "113.9328", "2026"),
    ("aws/us-east-1/g5.xlarge/on_demand", "1.006", ""),
    (f"aws/us-east-1/g5.xlarge/{NO_UPFRONT_YEAR}", "0.63378", "2025"),
    ("aws/us-east-1/g6e.xlarge/on_demand", "1.861", "2026"),
    ("aws/us-east-1/g4dn.xlarge/on_demand", "0.526", "2026"),
    ("aws/eu-north-1/eun1-az3/p5.48xlarge/spot", "26.5858", "2026-05-21"),
    ("azure/eastus/Standard_ND96isr_H100_v5/on_demand", "98.32", "2026-07-27"),
    ("azure/eastus/Standard_NC24ads_A100_v4/on_demand", "3.673", "2026-11-09"),
    ("gcp/us-central1/a2-highgpu-1g/on_demand", "3.673385", "2026-08-03"),
    ("gcp/us-central1/a2-highgpu-1g/spot", "1.92802", "2026-08-03"),
    ("gcp/us-central1/a3-highgpu-8g/on_demand", "88.49", "2026"),
    ("gcp/us-central1/g2-standard-4/on_demand", "0.706832", "2026-08-03"),
    # aws.amazon.com/ec2/capacityblocks/pricing: "Effective Instance Hourly Rate".
    (f"aws/us-east-1/p5.48xlarge/on_demand/{BLOCK}", "39.33", "2024-12"),
    (f"aws/us-east-2/p5.48xlarge/on_demand/{BLOCK}", "39.33", "2024-12"),
    (f"aws/us-east-2/p5e.48xlarge/on_demand/{BLOCK}", "43.26", "2024-12"),
    (f"aws/us-east-2/p4d.24xlarge/on_demand/{BLOCK}", "14.75", "2024-12"),
    (f"aws/us-west-2/p4d.24xlarge/on_demand/{BLOCK}", "14.75", "2024-12"),
]
KNOWN_AMORTISED = [
    ("aws/us-east-1/p4d.24xlarge/reserved/reserved_instance/36m/all_upfront", "8.159056", 6),
    ("azure/eastus/Standard_ND96isr_H100_v5/reserved/reserved_instance/12m/all_upfront", "62.92", 2),
    ("azure/eastus/Standard_ND96isr_H100_v5/reserved/reserved_instance/36m/all_upfront", "43.16", 2),
    ("gcp/us-central1/a3-highgpu-8g/reserved/committed_use/12m/no_upfront", "61.38", 2),
    ("gcp/us-central1/a3-highgpu-8g/reserved/committed_use/36m/no_upfront", "38.86", 2),
]


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config()


@pytest.fixture(scope="module")
def book(config: Config) -> PriceBook:
    embedded = [path for path in config.price_files if path.is_relative_to(config.directories[0])]
    return load_book(embedded, config.shapes, AS_OF)


@pytest.fixture(scope="module")
def prices(config: Config) -> list[Offer | Missing]:
    """Every row of the snapshot, exact, each file read against the rules of an import."""
    found: list[Offer | Missing] = []
    for provider in ("aws", "azure", "gcp"):
        offers, missing = read_offers_csv(config.directories[0] / "prices" / f"{provider}.csv", AS_OF)
        assert {price.provider for price in (*offers, *missing)} == {provider}
        found += [*offers, *missing]
    return found


@pytest.mark.parametrize(("offer_id", "usd_per_hour", "observed"), KNOWN)
def test_published_hourly_prices(book: PriceBook, offer_id: str, usd_per_hour: str, observed: str) -> None:
    offer = book.offer(offer_id)
    assert offer.usd_per_hour == Decimal(usd_per_hour)
    assert offer.observed_on.isoformat().startswith(observed)
    assert book.offers.loc[offer_id, "usd_per_hour"] == float(usd_per_hour)


@pytest.mark.parametrize(("offer_id", "usd_per_hour", "digits"), KNOWN_AMORTISED)
def test_published_effective_prices(book: PriceBook, offer_id: str, usd_per_hour: str, digits: int) -> None:
    assert round(book.offer(offer_id).amortised_usd_per_hour, digits) == Decimal(usd_per_hour)
    assert round(book.offers.loc[offer_id, "amortised_usd_per_hour"], digits) == float(usd_per_hour)


def test_three_years_of_p5_all_upfront_cost_15107_a_month(book: PriceBook) -> None:
    offer = book.offer("aws/us-east-1/p5.48xlarge/reserved/reserved_instance/36m/all_upfront")
    assert round(offer.amortised_usd_per_hour * 730) == 15107
    assert offer.usd_per_hour == 0


def test_p5_spot_in_eu_north_1_is_the_zone_price_and_in_jakarta_missing(book: PriceBook) -> None:
    def spot(table: str, region: str) -> list[str]:
        rows = getattr(book, table)
        chosen = (
            (rows["region"] == region) & (rows["instance_type"] == "p5.48xlarge") & (rows["tier"] == "spot")
        )
        return list(rows[chosen]["zone"])

    assert spot("offers", "eu-north-1") == ["eun1-az3"]
    assert spot("missing", "eu-north-1") == []
    assert spot("offers", "ap-southeast-3") == []
    assert spot("missing", "ap-southeast-3") == ["apse3-az1"]


def test_every_row_is_about_a_known_shape_and_every_shape_has_a_price(
    config: Config, prices: list[Offer | Missing]
) -> None:
    priced = {(price.provider, price.instance_type) for price in prices if isinstance(price, Offer)}
    assert priced == set(config.shapes)
    assert {(price.provider, price.instance_type) for price in prices} == priced
    assert not [price for price in prices if price.instance_type.startswith("n1+")]


def test_nothing_is_free_and_nothing_costs_over_60_usd_per_gpu_hour(
    config: Config, prices: list[Offer | Missing]
) -> None:
    for price in prices:
        if isinstance(price, Offer):
            gpus = config.shapes[price.provider, price.instance_type].gpu_count
            assert Decimal("0.02") < price.amortised_usd_per_hour / gpus < 60, price.offer_id


def test_no_price_stands_beside_a_missing_of_its_key(prices: list[Offer | Missing]) -> None:
    def key(price: Offer | Missing) -> tuple[str, ...]:
        return (price.provider, price.region, price.zone, price.instance_type, price.tier)

    gone = {key(price) for price in prices if isinstance(price, Missing)}
    assert gone
    assert gone.isdisjoint(key(price) for price in prices if isinstance(price, Offer))
    assert all(price.reason for price in prices if isinstance(price, Missing))


def test_spot_and_commitments_are_below_on_demand(prices: list[Offer | Missing]) -> None:
    offers = [price for price in prices if isinstance(price, Offer)]
    on_demand = {
        (offer.region, offer.instance_type): offer.usd_per_hour
        for offer in offers
        if offer.tier == Tier.ON_DEMAND and offer.market == STANDARD
    }
    compared: Counter[Tier] = Counter()
    for offer in offers:
        list_price = on_demand.get((offer.region, offer.instance_type))
        if offer.tier != Tier.ON_DEMAND and list_price is not None:
            compared[offer.tier] += 1
            assert offer.amortised_usd_per_hour < list_price * Decimal("0.99"), offer.offer_id
    assert compared[Tier.SPOT] > 1500
    assert compared[Tier.RESERVED] > 5000


def test_paying_everything_upfront_is_never_dearer(prices: list[Offer | Missing]) -> None:
    by_id = {price.offer_id: price.amortised_usd_per_hour for price in prices if isinstance(price, Offer)}
    pairs = [
        (amortised, by_id[offer_id.replace("all_upfront", "no_upfront")])
        for offer_id, amortised in by_id.items()
        if "all_upfront" in offer_id and offer_id.replace("all_upfront", "no_upfront") in by_id
    ]
    assert len(pairs) > 2000
    # Azure's two ways of paying come to the same total, rounded.
    assert all(upfront <= monthly * Decimal("1.0001") for upfront, monthly in pairs)


def test_what_is_not_sold_in_a_tier_has_no_price_in_it(book: PriceBook) -> None:
    listed = book.offers[book.offers["market"] == STANDARD]
    tiers = listed.groupby("instance_type")["tier"].agg(set)
    for name in ("a3-highgpu-1g", "a3-highgpu-2g", "a3-highgpu-4g", "a3-ultragpu-8g", "p5e.48xlarge"):
        assert tiers[name] == {"spot"}, name
    assert "p5.48xlarge/reserved/reserved_instance/12m" not in " ".join(book.offers.index)


def test_zones_belong_to_spot_and_local_zones_are_marked(book: PriceBook) -> None:
    assert set(book.offers[book.offers["zone"] != ""]["tier"]) == {"spot"}
    government = book.offers[book.offers["region"].str.startswith("us-gov-")]
    assert set(government["region_kind"]) == {"government"}
    wavelength = book.offers[book.offers["region"].str.contains("-wl")]
    assert set(wavelength["region_kind"]) == {"wavelength"}
    assert set(book.offers[book.offers["region"] == "us-west-2-lax-1"]["region_kind"]) == {"local_zone"}


def test_every_price_names_its_source_and_a_plausible_date(prices: list[Offer | Missing]) -> None:
    for price in prices:
        assert len(price.source) > 10
        block = isinstance(price, Offer) and price.market == "capacity_block"
        first = date(2024, 12, 1) if block else date(2025, 11, 30)
        assert first <= price.observed_on <= date(2026, 11, 9)


def test_the_files_are_as_the_tool_writes_them_and_small(config: Config, tmp_path: object) -> None:
    size = 0
    for provider in ("aws", "azure", "gcp"):
        path = config.directories[0] / "prices" / f"{provider}.csv"
        again = tmp_path / f"{provider}.csv"  # type: ignore[operator]
        write_offers_csv(again, *read_offers_csv(path))
        assert again.read_bytes() == path.read_bytes(), provider
        size += path.stat().st_size
    assert size < 2_500_000


def test_the_book_s_ids_are_the_offers_own(book: PriceBook, prices: list[Offer | Missing]) -> None:
    assert set(book.offers.index) == {price.offer_id for price in prices if isinstance(price, Offer)}


def test_ages_and_gaps_per_provider_and_tier(book: PriceBook, config: Config) -> None:
    oldest: dict[tuple[str, str], date] = {}
    for provider in ("aws", "azure", "gcp"):
        with (config.directories[0] / "prices" / f"{provider}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["usd_per_hour"] and not row["market"]:
                    day, key = date.fromisoformat(row["observed_on"]), (provider, row["tier"])
                    oldest[key] = min(day, oldest.get(key, day))
    coverage = book.coverage([STANDARD])
    assert {key: day.date() for key, day in coverage["oldest"].items()} == oldest
    assert oldest["aws", "reserved"] == date(2025, 11, 30)
    assert set(coverage.index) == {(name, tier) for name in ("aws", "azure", "gcp") for tier in Tier}
    assert coverage["offers"].sum() == (book.offers["market"] == STANDARD).sum()
    assert book.coverage([STANDARD, "capacity_block"]).loc[("aws", "on_demand"), "oldest"].year == 2024
    reserved = book.offers[book.offers["tier"] == "reserved"].groupby("provider")["instance_type"].nunique()
    assert reserved["azure"] < 20 < reserved["aws"]
