"""The generated catalogue that benchmarks use: what it sells comes out whole."""

from __future__ import annotations

from collections import Counter

import pytest
from aws_cases import shape
from aws_catalogue import FullSize

from providers.aws import fetch_offers
from providers.aws.client import AwsClient


def test_every_offer_of_a_generated_catalogue_comes_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    types, regions = ("p5.48xlarge", "g5.xlarge", "g4dn.metal"), ("us-east-1", "eu-west-1", "us-gov-west-1")
    catalogue = FullSize(types, regions)
    with catalogue.fake() as fake:
        for name, value in fake.env.items():
            monkeypatch.setenv(name, value)
        result = fetch_offers([shape(name) for name in types], None, AwsClient())
    assert not result.failures
    assert not result.missing
    # Nine products: one on-demand price, 12 Reserved terms and 12 Savings Plans each; spot in three zones of the
    # two commercial regions.
    assert Counter(offer.kind or offer.tier.value for offer in result.offers) == {
        "on_demand": 9,
        "reserved_instance": 54,
        "reserved_instance_convertible": 54,
        "compute_savings_plan": 54,
        "ec2_instance_savings_plan": 54,
        "spot": 18,
    }
    assert len(result.covered) == 8
    assert result.counts["requests"] == len(fake.log)
