"""Descriptions are read whole or not at all."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from providers.gcp.grammar import Part, Terms, Unread, read_description

OD, SPOT, FLEX, YEAR, THREE = Terms
WORDINGS = [
    ("A2 Instance Core running in Americas", "OnDemand", "A2 core", OD),
    ("G4 Instance Ram running in N. Virginia", "OnDemand", "G4 RAM", OD),
    ("A3Plus Instance Core running in Salt Lake City", "OnDemand", "A3Plus core", OD),
    ("A3 Ultra Instance Ram running in São Paulo", "OnDemand", "A3Ultra RAM", OD),
    ("Spot Preemptible G2 Instance Core running in Tel Aviv", "Preemptible", "G2 core", SPOT),
    ("DWS Defined Duration A3 Core running in Americas", "OnDemand", "A3 core", FLEX),
    ("Commitment v1: A2 Cpu in APAC for 1 Year", "Commit1Yr", "A2 core", YEAR),
    ("Commitment v1: A3 Core in Las Vegas for 3 Years", "Commit3Yr", "A3 core", THREE),
    ("Commitment v1: G4 Ram in Delhi for 3 Year", "Commit3Yr", "G4 RAM", THREE),
    ("Nvidia L4 GPU running in Rio de Janeiro", "OnDemand", "L4 GPU", OD),
    ("Nvidia Tesla A100 GPU running in Americas", "OnDemand", "A100 40GB GPU", OD),
    ("Nvidia Tesla A100 80GB GPU running in Americas", "OnDemand", "A100 80GB GPU", OD),
    ("Nvidia H100 80GB GPU running in Americas", "OnDemand", "H100 GPU", OD),
    ("Nvidia H100 80GB Mega GPU running in Tokyo", "OnDemand", "H100 Mega GPU", OD),
    ("Nvidia H100 Mega 80GB GPU running in Tokyo", "OnDemand", "H100 Mega GPU", OD),
    ("Nvidia H100 80GB Plus GPU running in Americas", "OnDemand", "H100 Mega GPU", OD),
    ("H200 141GB GPU running in Belgium", "OnDemand", "H200 GPU", OD),
    ("RTX 6000 96GB running in Oregon", "OnDemand", "RTX PRO 6000 GPU", OD),
    ("A4 Nvidia B200 (1 gpu slice) running in Netherlands", "OnDemand", "B200 slice GPU", OD),
    ("Spot Preemptible A4 Nvidia B200 (1 gpu slice) running in Iowa", "OnDemand", "B200 slice GPU", SPOT),
    (
        "Nvidia Tesla A100 GPU attached to Spot Preemptible VMs running in Iowa",
        "Preemptible",
        "A100 40GB GPU",
        SPOT,
    ),
    ("Nvidia L4 GPU attached to DWS Defined Duration VMs running in Frankfurt", "OnDemand", "L4 GPU", FLEX),
    (
        "Commitment v1: Nvidia Tesla A100 GPU running in Americas for 1 Year",
        "Commit1Yr",
        "A100 40GB GPU",
        YEAR,
    ),
    ("Commitment v1: RTX 6000 96GB running in Iowa for 3 Years", "Commit3Yr", "RTX PRO 6000 GPU", THREE),
    ("Commitment v1: A4 Nvidia B200 (1 gpu slice) in Iowa for 1 Year", "Commit1Yr", "B200 slice GPU", YEAR),
    ("SSD backed Local Storage", "OnDemand", "local SSD", OD),
    ("SSD backed Local Storage in Paris", "OnDemand", "local SSD", OD),
    ("SSD backed Local Storage attached to Spot Preemptible VMs", "OnDemand", "local SSD", SPOT),
    ("DWS Defined Duration SSD backed Local Storage running in Americas", "OnDemand", "local SSD", FLEX),
    ("Commitment v1: Local SSD In Iowa for 1 Year", "Commit1Yr", "local SSD", YEAR),
    ("G4 Instance Local SSD running in Iowa", "OnDemand", "G4 local SSD", OD),
]


@pytest.mark.parametrize(("description", "usage", "item", "terms"), WORDINGS)
def test_a_known_wording_is_read(description: str, usage: str, item: str, terms: Terms) -> None:
    assert read_description(description, usage, "GPU") == Part(item, terms)


@pytest.mark.parametrize(
    ("description", "why"),
    [
        ("Reserved Nvidia L4 GPU in Milan", "reserved"),
        ("Reserved Nvidia H100 80GB Mega GPU in Americas in Calendar Mode", "reserved"),
        ("DWS Calendar Mode A3 Core running in Iowa", "calendar mode"),
        ("Nvidia H100 80GB GPU running in Iowa in Calendar Mode", "calendar mode"),
        ("A2 Sole Tenancy Instance Core running in Iowa", "sole tenancy"),
        ("Sole Tenancy Premium for A2 Instance Core running in Iowa", "sole tenancy"),
        ("G2 Custom Instance Core running in Iowa", "custom"),
        ("Nvidia L4 Virtual Workstation GPU running in Iowa", "virtual workstation"),
        ("Confidential A3 Instance Core running in Iowa", "confidential"),
        ("Nvidia Tesla T4 GPU running in Americas", "GPU attached to N1"),
        ("N2 Instance Core running in Americas", "other machine families"),
        ("Commitment v1: Cpu in Montreal for 1 Year", "other machine families"),
        ("M4Ultramem224 Instance Core running in Iowa", "other machine families"),
        ("C4D Instance Local SSD running in Frankfurt", "other machine families"),
        ("A3 High Instance Core running in Americas", "description unknown"),
        ("Nvidia Tesla A100 80GB running in Americas", "description unknown"),
        ("A4X Nvidia GB200 (1 gpu slice) running in Iowa", "description unknown"),
        ("Commitment v1: Nvidia Tesla A100 GPU running in Americas for 5 Years", "description unknown"),
        ("A2 Instance Core", "description unknown"),
    ],
)
def test_what_is_no_price_of_ours_is_left_out_under_its_name(description: str, why: str) -> None:
    group = "GPU" if "GPU" in description or "slice" in description else "CPU"
    unread = read_description(description, "OnDemand", group)
    assert isinstance(unread, Unread)
    assert unread.why == why
    assert unread.refused == (why == "description unknown")


@pytest.mark.parametrize(
    ("description", "usage"),
    [
        ("Nvidia L4 GPU running in Iowa", "Preemptible"),
        ("Nvidia L4 GPU running in Iowa", "Commit1Yr"),
        ("Commitment v1: G2 Cpu in Iowa for 1 Year", "Commit3Yr"),
        ("Commitment v1: G2 Cpu in Iowa for 3 Years", "OnDemand"),
        ("Spot Preemptible G2 Instance Core running in Iowa", "Commit1Yr"),
    ],
)
def test_words_and_usage_type_that_contradict_each_other_are_refused(description: str, usage: str) -> None:
    unread = read_description(description, usage, "CPU")
    assert isinstance(unread, Unread)
    assert unread.refused
    assert usage in unread.stem


known = st.sampled_from(WORDINGS)
words = st.text(st.characters(categories=["L", "N"], codec="ascii"), min_size=1, max_size=8)


@given(known, words)
def test_nothing_may_stand_before_a_known_wording(wording: tuple[str, str, str, Terms], word: str) -> None:
    description, usage, *_ = wording
    assert isinstance(read_description(f"{word} {description}", usage, "GPU"), Unread)


@given(known, st.integers(min_value=1), words)
def test_a_word_more_never_turns_one_product_into_another(
    wording: tuple[str, str, str, Terms], place: int, word: str
) -> None:
    description, usage, item, terms = wording
    assume(word not in ("running", "in"))
    split = description.split(" ")
    at = place % len(split)
    read = read_description(" ".join([*split[:at], word, *split[at:]]), usage, "GPU")
    assert isinstance(read, Unread) or read == Part(item, terms)


@given(st.text(max_size=80), st.sampled_from(["CPU", "GPU", "LocalSSD"]))
def test_any_text_is_read_without_a_crash(text: str, group: str) -> None:
    assert isinstance(read_description(text, "OnDemand", group), (Part, Unread))
