"""Terms, ages and changes of prices in words."""

from decimal import Decimal

import pytest

from optimiser.report.terms import OfferRow, age, moved


@pytest.mark.parametrize(
    ("hours", "text"),
    [(0, "0 min"), (0.5, "30 min"), (1, "1 h"), (239, "239 h"), (240, "10.0 d"), (-3, "in 3 h")],
)
def test_ages_in_words(hours: float, text: str) -> None:
    assert age(hours) == text


@pytest.mark.parametrize(
    ("relative", "text"),
    [("0", "0 %"), ("0.1", "+10 %"), ("-0.025", "−2.5 %"), ("-0.00001", "−<0.01 %"), ("1.5", "+150 %")],
)
def test_changes_in_words(relative: str, text: str) -> None:
    assert moved(Decimal(relative)) == text


@pytest.mark.parametrize(
    ("terms", "where", "paid"),
    [
        ({}, "AWS us-east-1", "on demand"),
        ({"zone": "use1-az1", "tier": "spot"}, "AWS use1-az1", "spot"),
        ({"region_kind": "local_zone"}, "AWS us-east-1 (local zone)", "on demand"),
        ({"market": "capacity_block"}, "AWS us-east-1", "on demand (capacity block)"),
        (
            {
                "tier": "reserved",
                "kind": "reserved_instance_convertible",
                "term_months": 36,
                "contract": "EDP",
            },
            "AWS us-east-1",
            "reserved 36 m (convertible, EDP)",
        ),
    ],
)
def test_a_place_and_its_terms_in_words(terms: dict[str, str], where: str, paid: str) -> None:
    usual = {
        "provider": "aws",
        "region": "us-east-1",
        "region_kind": "region",
        "zone": "",
        "instance_type": "p5.48xlarge",
        "tier": "on_demand",
        "market": "standard",
        "kind": "",
        "term_months": 0,
        "payment": "",
        "contract": "",
    }
    row = OfferRow(**usual | terms)  # type: ignore[arg-type]
    assert (row.where, row.paid) == (where, paid)
