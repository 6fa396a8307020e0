"""What a SKU's description says, as one whole: which part of which machines it prices, on which terms.

A description is a wording of its terms around the name of a product ("Spot Preemptible … running in Iowa").
Wordings are matched from end to end and names are looked up whole; what is not known in full is never guessed
at. The description decides the terms and usageType only has to agree, since spot SKUs are found among those
that say OnDemand (B200, local SSD). Names and wordings are those of the public catalogue.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple


class Terms(StrEnum):
    """How a part is paid, in words for messages."""

    ON_DEMAND = "on demand"
    SPOT = "spot"
    FLEX_START = "flex-start"
    ONE_YEAR = "1-year commitment"
    THREE_YEARS = "3-year commitment"


class Part(NamedTuple):
    """What a SKU prices: item is "A2 core", "A2 RAM", "A100 80GB GPU", "local SSD" or "G4 local SSD"."""

    item: str
    terms: Terms


class Unread(NamedTuple):
    """A description that prices nothing we know. why is a plain phrase to count by; refused means that it
    speaks of machines we know in words we do not, and stem is those words without the place.
    """

    why: str
    refused: bool = False
    stem: str = ""


LOCAL_SSD = "local SSD"
OTHER_MACHINES = Unread("other machine families")

_HOSTS = {
    "A2": ("A2",),
    "A3": ("A3",),
    "A3Plus": ("A3Plus", "A3 Plus"),
    "A3Ultra": ("A3Ultra", "A3 Ultra"),
    "G2": ("G2",),
    "G4": ("G4",),
}
_RESOURCES = {"core": ("Core", "Cpu"), "RAM": ("Ram", "RAM"), LOCAL_SSD: ("Local SSD",)}
GPU_NAMES = {
    "Nvidia L4 GPU": "L4",
    "Nvidia Tesla A100 GPU": "A100 40GB",
    "Nvidia Tesla A100 80GB GPU": "A100 80GB",
    "Nvidia H100 80GB GPU": "H100",
    "Nvidia H100 80GB Mega GPU": "H100 Mega",
    "Nvidia H100 Mega 80GB GPU": "H100 Mega",
    "Nvidia H100 80GB Plus GPU": "H100 Mega",
    "H200 141GB GPU": "H200",
    "Nvidia H200 141GB GPU": "H200",
    "RTX 6000 96GB": "RTX PRO 6000",
    "A4 Nvidia B200 (1 gpu slice)": "B200 slice",
}
_GPUS = {name: f"{gpu} GPU" for name, gpu in GPU_NAMES.items()}


def _host_names(between: str) -> dict[str, str]:
    """Such as {"A2 Instance Core": "A2 core"} with between " Instance "."""
    return {
        f"{name}{between}{word}": f"{host} {resource}"
        for host, names in _HOSTS.items()
        for name in names
        for resource, words in _RESOURCES.items()
        for word in words
    }


_USED = _host_names(" Instance ") | _GPUS
_COMMITTED = _host_names(" ") | _GPUS | {"Local SSD": LOCAL_SSD}
_DISK = {"SSD backed Local Storage": LOCAL_SSD}

# A place is words of letters, none of which begins another clause ("Americas in Calendar Mode" is no place).
_WORD = r"(?!(?:in|for|on|with|to|attached|running)\b)[^\W\d_]+(?:[.'’-][^\W\d_]*)*"
_PLACE = rf"{_WORD}(?:,? {_WORD})*"
_RUNNING = rf" running in {_PLACE}"
_ANYWHERE = rf"(?: (?:running )?in {_PLACE})?"

_WORDINGS: tuple[tuple[Terms, re.Pattern[str], dict[str, str]], ...] = tuple(
    (terms, re.compile(wording), names)
    for terms, wording, names in (
        (Terms.ONE_YEAR, rf"Commitment v1: (.+?)(?: running)? [Ii]n {_PLACE} for 1 Year", _COMMITTED),
        (Terms.THREE_YEARS, rf"Commitment v1: (.+?)(?: running)? [Ii]n {_PLACE} for 3 Years?", _COMMITTED),
        (Terms.SPOT, rf"Spot Preemptible (.+){_RUNNING}", _USED),
        (Terms.SPOT, rf"(.+) attached to Spot Preemptible VMs{_RUNNING}", _GPUS),
        (Terms.SPOT, rf"(.+) attached to Spot Preemptible VMs{_ANYWHERE}", _DISK),
        (Terms.FLEX_START, rf"DWS Defined Duration (.+){_RUNNING}", _USED | _host_names(" ") | _DISK),
        (Terms.FLEX_START, rf"(.+) attached to DWS Defined Duration VMs{_RUNNING}", _GPUS),
        (Terms.ON_DEMAND, rf"(.+){_RUNNING}", _USED),
        (Terms.ON_DEMAND, rf"(.+?){_ANYWHERE}", _DISK),
    )
)
_USAGE_TYPES = {
    Terms.ON_DEMAND: {"OnDemand"},
    Terms.SPOT: {"Preemptible", "OnDemand"},
    Terms.FLEX_START: {"OnDemand"},
    Terms.ONE_YEAR: {"Commit1Yr"},
    Terms.THREE_YEARS: {"Commit3Yr"},
}

# Products and markets of the same machines that are neither of the five terms.
_OTHER_PRODUCTS = re.compile(
    r"sole tenancy|reserved|calendar mode|premium|custom|extended|suspended|vm state|capacity optimized"
    r"|virtual workstation|confidential|vgpu|dws flex start",
    re.IGNORECASE,
)
_KNOWN = re.compile(
    r"\b(?:A2|A3|A3Plus|A3Ultra|A4|A4X|G2|G4|A100|H100|H200|B200|L4|RTX 6000)\b"
    r"|SSD backed Local Storage|^Commitment v1: Local SSD"
)
_SOLD_WITH_N1 = re.compile(r"\b(?:T4|V100|P100|P4|K80)\b")
_AT_A_PLACE = re.compile(rf"(?: running)? [Ii]n {_PLACE}( for 1 Year| for 3 Years?)?$")


def read_description(description: str, usage_type: str, group: str) -> Part | Unread:
    """The part and terms a description names, or why it prices nothing we know.

    usage_type and group are the SKU's usageType and resourceGroup.
    """
    if not _KNOWN.search(description):
        if group != "GPU":
            return OTHER_MACHINES
        if _SOLD_WITH_N1.search(description):
            return Unread("GPU attached to N1")
    if word := _OTHER_PRODUCTS.search(description):
        return Unread(word.group().lower())
    for terms, wording, names in _WORDINGS:
        if (match := wording.fullmatch(description)) and (item := names.get(match[1])):
            if usage_type in _USAGE_TYPES[terms]:
                return Part(item, terms)
            return _refused(f"{match[1]} with {terms} in words but usageType {usage_type}")
    return _refused(_AT_A_PLACE.sub(r"\1", description))


def _refused(stem: str) -> Unread:
    return Unread("description unknown", refused=True, stem=stem)
