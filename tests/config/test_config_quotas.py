"""quotas.yaml: what is read, how layers combine, and the message for every fault in it."""

from datetime import date
from pathlib import Path

import pytest

from optimiser.config import load_config
from optimiser.errors import UsageError
from optimiser.planning.problem import QuotaKey

ENTRY = "- {provider: aws, region: us-east-2, family: P, tier: on_demand, amount: 768"


def written(folder: Path, text: str) -> Path:
    (folder / "quotas.yaml").write_text(text, encoding="utf-8")
    return folder


def test_quotas_are_read_with_their_day_and_their_file(tmp_path: Path) -> None:
    other = "- {provider: azure, region: eastus, family: lowPriorityCores, tier: spot, amount: 0}"
    config = load_config(written(tmp_path, f"{ENTRY}, granted_on: 2026-11-02}}\n{other}\n"))
    granted = config.quotas[QuotaKey("aws", "us-east-2", "P", False)]
    assert (granted.amount, granted.granted_on) == (768, date(2026, 11, 2))
    assert granted.source == str(tmp_path / "quotas.yaml")
    assert config.quotas[QuotaKey("azure", "eastus", "lowPriorityCores", True)].granted_on is None


@pytest.mark.parametrize("text", ["", "[]\n"])
def test_a_file_without_entries_grants_nothing_and_is_no_fault(tmp_path: Path, text: str) -> None:
    assert load_config(written(tmp_path, text)).quotas == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("P: 768\n", "the file = {P: 768}: a list of {provider, region, family, tier, amount}"),
        ("- P\n", "entry 1: the entry = 'P': must be a mapping"),
        (ENTRY + "}\n" + ENTRY + "}\n", "entry 2: family = 'P': given twice for this region and tier"),
        (ENTRY + ", used: 3}\n", "entry 1: unknown field 'used'"),
        (ENTRY.replace("768", "-1") + "}\n", "entry 1: amount = -1: must be finite and not negative"),
        (ENTRY.replace("768", "lots") + "}\n", "entry 1: amount = 'lots': must be a number"),
        (ENTRY.replace(", amount: 768", "") + "}\n", "entry 1: missing field amount"),
        (
            ENTRY.replace("on_demand", "reserved") + "}\n",
            "entry 1: tier = 'reserved': known: on_demand, spot",
        ),
        (ENTRY.replace("aws", "aws2") + "}\n", "entry 1: provider = 'aws2': did you mean aws?"),
        (ENTRY.replace("family: P", "family: p5") + "}\n", "entry 1: family = 'p5': did you mean P?"),
        (ENTRY + ", granted_on: May}\n", "entry 1: granted_on = 'May': must be a date like 2026-11-09"),
        (
            "- {provider: azure, region: eastus, family: standardNDSH100v5Family, tier: spot, amount: 96}\n",
            "family = 'standardNDSH100v5Family': known: lowPriorityCores",
        ),
    ],
)
def test_a_fault_names_the_entry_the_field_and_what_would_be_right(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_config(written(tmp_path, text))
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'quotas.yaml'}: ")
