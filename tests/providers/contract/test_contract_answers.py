"""What every provider's adapter makes of a cloud that answers: whole, exact, as asked, and the same each time."""

from __future__ import annotations

import promises
import pytest
from harness import NOW, SHAPES, Running
from harnesses import HARNESSES, secrets_of

from providers import PROVIDERS, load
from providers.fetch import Scope
from providers.offer import Tier, to_nano_usd

every_fake = pytest.mark.parametrize("name", sorted(set(PROVIDERS) & set(HARNESSES)))


@every_fake
def test_a_whole_answer_is_well_formed_and_leaves_nothing_out(cloud: Running) -> None:
    result = cloud.fetch(*cloud.harness.regions)
    promises.assert_well_formed(result, cloud.name)
    assert result.failures == ()
    sold = {(offer.region, offer.tier, offer.instance_type) for offer in result.offers}
    assert sold == {
        (region, tier, one)
        for region in cloud.harness.regions
        for tier in Tier
        for one in cloud.harness.instance_types
    }


@every_fake
def test_every_price_is_known_positive_dated_and_a_valid_row(cloud: Running) -> None:
    result = cloud.fetch()
    assert {*cloud.harness.regions} <= {offer.region for offer in result.offers}
    promises.assert_prices_hold(result, cloud.shapes, NOW)
    promises.assert_one_price_per_key(result)


@every_fake
def test_amounts_are_as_the_store_keeps_them(cloud: Running) -> None:
    """To 1e-9 USD: else every night's prices would differ from those in force."""
    for offer in cloud.fetch().offers:
        for amount in (offer.usd_per_hour, offer.upfront_usd):
            assert amount == to_nano_usd(amount), offer.offer_id


@every_fake
def test_the_client_it_builds_itself_brings_the_same(cloud: Running) -> None:
    region = cloud.harness.regions[0]
    assert cloud.fetch(region, client=None).offers == cloud.fetch(region).offers


@every_fake
def test_one_client_that_it_opens_answers_time_after_time(cloud: Running) -> None:
    regions = cloud.harness.regions
    with load(cloud.name).open_client() as client:
        found = [cloud.fetch(region, client=client).offers for region in (*regions, *regions)]
    assert found == [cloud.fetch(region).offers for region in (*regions, *regions)]


@every_fake
def test_a_client_that_is_asked_nothing_opens_and_closes(cloud: Running) -> None:
    with load(cloud.name).open_client() as client:
        assert client


@every_fake
def test_two_fetches_of_an_unchanged_cloud_are_equal(cloud: Running) -> None:
    first, second = (cloud.fetch(*cloud.harness.regions) for _ in range(2))
    assert first == second


@every_fake
@pytest.mark.parametrize("tier", Tier)
def test_only_the_tiers_and_regions_asked_for_come_back(cloud: Running, tier: Tier) -> None:
    region = cloud.harness.regions[1]
    result = cloud.fetch(region, tiers=(tier,))
    promises.assert_only_asked(result, cloud.name, [region], [tier])
    assert result.offers


@every_fake
def test_only_the_shapes_asked_for_come_back(cloud: Running) -> None:
    others = [shape for shape in SHAPES if shape.provider != cloud.name]
    one = cloud.shapes[0]
    result = cloud.fetch(cloud.harness.regions[0], shapes=[*others, one])
    assert {(offer.provider, offer.instance_type) for offer in result.offers} == {
        (cloud.name, one.instance_type)
    }
    assert {missing.instance_type for missing in result.missing} <= {one.instance_type}


@every_fake
def test_done_is_told_once_of_every_scope_covered(cloud: Running) -> None:
    told: list[Scope] = []
    promises.assert_done_told(cloud.fetch(*cloud.harness.regions, done=told.append), told)


@every_fake
def test_no_secret_is_in_anything_a_result_carries(cloud: Running) -> None:
    result = cloud.fetch()
    promises.assert_no_secret(promises.all_words(result), secrets_of(cloud.harness))
