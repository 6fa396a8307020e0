"""Whole machines from their parts, reckoned by hand, over gRPC and REST alike."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from gcp_cases import IOWA, fetch, offered, price, reasons, shape, skus
from gcp_catalogue import full_catalogue
from hypothesis import given
from hypothesis import strategies as st

from providers.gcp.compose import Whole, compose
from providers.gcp.grammar import Part, Terms
from providers.gcp.machines import MACHINES
from providers.gcp.parse import Rate, Rates
from providers.offer import Tier

A2 = ("a2_on_demand", "a2_spot", "a2_commitments")


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_a2_adds_up_to_googles_list_price_over_either_protocol(protocol: str) -> None:
    result = fetch(skus(*A2), "a2-highgpu-1g", "a2-highgpu-8g", "a2-megagpu-16g", protocol=protocol)
    # 12 x 0.031611 + 85 x 0.004237 + 2.933908
    assert price(result, f"{IOWA}/a2-highgpu-1g/on_demand") == Decimal("3.673385")
    # 96 x 0.031611 + 680 x 0.004237 + 8 x 2.933908
    assert price(result, f"{IOWA}/a2-highgpu-8g/on_demand") == Decimal("29.38708")
    # 96 x 0.031611 + 1360 x 0.004237 + 16 x 2.933908
    assert price(result, f"{IOWA}/a2-megagpu-16g/on_demand") == Decimal("55.739504")
    # 12 x 0.01659 + 85 x 0.00222 + 1.5399
    assert price(result, f"{IOWA}/a2-highgpu-1g/spot") == Decimal("1.92768")
    # 12 x 0.019915 + 85 x 0.002669 + 1.84836204; 12 x 0.011064 + 85 x 0.001483 + 1.0268678
    committed = f"{IOWA}/a2-highgpu-1g/reserved/committed_use"
    assert price(result, f"{committed}/12m/no_upfront") == Decimal("2.31420704")
    assert price(result, f"{committed}/36m/no_upfront") == Decimal("1.2856908")


def test_both_protocols_give_the_very_same_answer() -> None:
    catalogue = full_catalogue(3500)
    by_rest, by_grpc = (fetch(catalogue, protocol=protocol) for protocol in ("rest", "grpc"))
    assert by_rest == by_grpc
    assert len(by_rest.offers) > 1000


def test_l4_machines_add_up_to_googles_list_price() -> None:
    result = fetch(skus("g2_l4"), "g2-standard-4", "g2-standard-24")
    # 4 x 0.024988 + 16 x 0.0029275 + 0.56004
    assert price(result, f"{IOWA}/g2-standard-4/on_demand") == Decimal("0.706832")
    # 24 x 0.024988 + 96 x 0.0029275 + 2 x 0.56004
    assert price(result, f"{IOWA}/g2-standard-24/on_demand") == Decimal("2.000832")


def test_bundled_local_ssd_is_part_of_the_price_by_the_hour_of_a_730_hour_month() -> None:
    result = fetch(skus("a2_on_demand", "a100_80gb_beside_a100"), "a2-ultragpu-1g", "a2-highgpu-1g")
    # 12 x 0.031611 + 170 x 0.004237 + 3.92808 + 375 x 0.08 / 730, which Google lists as 5.068798
    assert price(result, f"{IOWA}/a2-ultragpu-1g/on_demand") == Decimal("5.068797890")
    assert price(result, f"{IOWA}/a2-highgpu-1g/on_demand") == Decimal("3.673385")


def test_b200_slices_are_the_whole_machine() -> None:
    result = fetch(skus("b200_slice_whose_spot_says_on_demand"), "a4-highgpu-8g")
    assert price(result, f"{IOWA}/a4-highgpu-8g/spot") == Decimal("39.6336")  # 8 x 4.9542


def test_an_offer_says_where_it_comes_from_and_when() -> None:
    result = fetch(skus("a2_on_demand"), "a2-highgpu-1g", regions=[IOWA], tiers=[Tier.ON_DEMAND])
    [offer] = result.offers
    assert offer.source == "Cloud Billing Catalog skus 039F-D0DA-4055+2922-40C5-B19F+2390-DCAF-DA38"
    assert (offer.observed_on, offer.region_kind, offer.zone) == (date(2026, 11, 20), "region", "")
    assert result.counts["SKUs read"] == result.counts["SKUs used"] == 3
    assert (result.counts["pages"], result.counts["requests"]) == (1, 1)


def test_only_the_tiers_and_regions_asked_for_are_covered_and_reported_done() -> None:
    seen: list[str] = []
    result = fetch(
        skus(*A2),
        "a2-highgpu-1g",
        regions=["us-west1", IOWA],
        tiers=[Tier.SPOT],
        done=lambda scope: seen.append(str(scope)),
    )
    assert seen == ["gcp/us-west1/spot", "gcp/us-central1/spot"]
    assert set(map(str, result.covered)) == set(seen)
    assert offered(result) == {"us-west1/a2-highgpu-1g/spot", f"{IOWA}/a2-highgpu-1g/spot"}


def test_without_regions_every_region_that_sells_one_of_the_gpus_is_covered() -> None:
    result = fetch(skus("a2_on_demand", "h100_mega_under_three_names"), "a3-megagpu-8g")
    assert {scope.region for scope in result.covered} == {"asia-northeast1", "europe-west4", "us-east5"}
    assert len(result.covered) == 9


def test_shapes_of_other_providers_are_left_alone() -> None:
    from gcp_access import rest_catalogue
    from gcp_server import GcpServer

    from providers.gcp import fetch_offers
    from providers.gcp.client import GcpClient

    with GcpServer(skus=skus("a2_on_demand")) as server:
        mixed = [shape("a2-highgpu-1g", provider="aws"), shape("a2-highgpu-8g")]
        result = fetch_offers(mixed, None, GcpClient(rest_catalogue(server.rest_url)))
    assert {offer.instance_type for offer in result.offers} == {"a2-highgpu-8g"}


def test_a_whole_catalogue_prices_every_machine_with_all_its_parts_or_not_at_all() -> None:
    result = fetch(full_catalogue(4000), protocol="grpc")
    assert not result.failures
    assert {offer.instance_type for offer in result.offers} == set(fetchable())
    assert len({offer.offer_id for offer in result.offers}) == len(result.offers)
    reserved = {gap.split("/")[1] for gap in reasons(result) if gap.endswith("/reserved")}
    assert reserved == {"a3-highgpu-1g", "a3-ultragpu-8g", "a4-highgpu-8g"}


def fetchable() -> list[str]:
    from gcp_cases import SIZES

    return list(SIZES)


amounts = st.decimals(min_value="0.000000001", max_value=50, places=9)


@given(amounts, amounts, amounts, amounts, st.sampled_from(sorted(MACHINES)))
def test_a_machine_costs_the_exact_sum_of_its_parts_rounded_once(
    core: Decimal, ram: Decimal, gpu: Decimal, disk: Decimal, name: str
) -> None:
    machine = MACHINES[name]
    whole_shape = shape(name)
    priced = {"core": core, "RAM": ram, "local SSD": disk}
    rates = Rates()
    for item, usd in priced.items():
        label = item if item == "local SSD" else f"{machine.host} {item}"
        rates.by_part[Part(label, Terms.SPOT), IOWA] = Rate(usd, item)
    rates.by_part[Part(f"{machine.gpu} GPU", Terms.SPOT), IOWA] = Rate(gpu, "GPU")
    whole = compose(whole_shape, machine, rates, Terms.SPOT, IOWA)
    exact = Fraction(gpu) * whole_shape.gpu_count + Fraction(disk) * machine.ssd_gib
    if machine.host:
        exact += Fraction(core) * whole_shape.vcpus + Fraction(ram) * Fraction(whole_shape.memory_gib)
    assert isinstance(whole, Whole)
    assert Fraction(whole.usd_per_hour) == exact  # no more than 9 decimals went in, so none may be lost
