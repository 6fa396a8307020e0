"""owned.yaml: what it holds, and what each slip in it is told."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from optimiser.config import load_config
from optimiser.config.owned import refuse_unknown_regions
from optimiser.errors import UsageError

ENTRY = "- {provider: aws, region: us-east-1, instance_type: p5.48xlarge, instances: 4, ends: 2027-06-30"


def written(folder: Path, text: str) -> Path:
    (folder / "owned.yaml").write_text(text, encoding="utf-8")
    return folder


def test_entries_are_numbered_in_their_order(tmp_path: Path) -> None:
    second = "- {provider: gcp, region: us-central1, instance_type: a2-highgpu-8g, instances: 1, ends: 2028-01-01}\n"
    first = f"{ENTRY}, kind: reserved_instance, note: bought in May, usd_per_hour: 2.5}}\n"
    one, two = load_config(written(tmp_path, first + second)).owned
    assert (one.number, one.instances, one.ends, one.usd_per_hour) == (1, 4, date(2027, 6, 30), 2.5)
    assert (one.kind, one.note) == ("reserved_instance", "bought in May")
    assert (two.number, two.region, two.usd_per_hour) == (2, "us-central1", 0.0)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_quoted_day_is_a_day(tmp_path: Path, quote: str) -> None:
    text = ENTRY.replace("2027-06-30", f"{quote}2027-06-30{quote}")
    (one,) = load_config(written(tmp_path, f"{text}}}\n")).owned
    assert one.ends == date(2027, 6, 30)


@pytest.mark.parametrize("text", ["", "[]\n"])
def test_an_empty_file_owns_nothing(tmp_path: Path, text: str) -> None:
    assert load_config(written(tmp_path, text)).owned == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{ENTRY}, kin: x}}", r"entry 1: unknown field 'kin': .*kind"),
        ("- {provider: aws}", "entry 1: ends = null: the last day that is paid"),
        (ENTRY.replace("2027-06-30", "soon") + "}", "ends = 'soon': the last day that is paid"),
        (
            ENTRY.replace("2027-06-30", "2027-02-30") + "}",
            "entry 1: ends = '2027-02-30': there is no such day",
        ),
        (
            ENTRY.replace("2027-06-30", "'2027-02-30'") + "}",
            "entry 1: ends = '2027-02-30': there is no such day",
        ),
        (ENTRY.replace("2027-06-30", "'20270630'") + "}", "ends = '20270630': the last day that is paid"),
        (ENTRY.replace("instances: 4", "instances: 0") + "}", "instances = 0: at least 1"),
        (ENTRY.replace("instances: 4", "instances: 1.5") + "}", "instances = 1.5: must be a whole number"),
        (ENTRY.replace("instances: 4, ", "") + "}", "missing field instances"),
        (ENTRY.replace("p5.48xlarge", "p5.48xl") + "}", "instance_type = 'p5.48xl': .*p5.48xlarge"),
        (ENTRY.replace("aws", "ibm") + "}", "provider = 'ibm': known: aws, azure, gcp"),
        (f"{ENTRY}, usd_per_hour: -1}}", "usd_per_hour = -1: must be finite and not negative"),
        (f"{ENTRY}, number: 3}}", "unknown field 'number'"),
        ("p5: 4", "must be a list of what is owned"),
    ],
)
def test_a_slip_is_named_with_what_would_be_right(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        load_config(written(tmp_path, text + "\n"))
    assert "owned.yaml" in str(refused.value)


def test_a_provider_of_which_no_region_is_known_may_have_any(tmp_path: Path) -> None:
    owned = load_config(written(tmp_path, f"{ENTRY}}}\n")).owned
    refuse_unknown_regions(owned, [("us-central1", "gcp")])
