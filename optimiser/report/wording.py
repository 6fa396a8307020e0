"""How numbers and names are written, the same in every format."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

PROVIDERS = {"aws": "AWS", "gcp": "GCP", "azure": "Azure"}
HOW = {
    "owned": "owned",
    "commitment": "commitment",
    "held_on_demand": "held on demand",
    "on_demand": "on demand by hour",
    "spot": "spot",
    "shared": "shared",
}
_ABBREVIATIONS = frozenset({"kv", "ram", "tpot", "ttft"})
_WHOLE_DOLLARS_FROM = 100


def usd(amount: Decimal) -> str:
    """Whole dollars from $100 up, cents below, three digits of what is under a cent: $281,300, $12.40."""
    size = abs(amount)
    sign = "−" if amount < 0 else ""
    if not size:
        return "$0"
    if size >= _WHOLE_DOLLARS_FROM:
        return f"{sign}${size.quantize(Decimal(1), ROUND_HALF_UP):,}"
    if size >= Decimal("0.1"):
        return f"{sign}${size.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
    return f"{sign}${float(size):.3g}" if size >= Decimal("0.0001") else f"{sign}${float(size):.1e}"


def usd_or_dash(amount: Decimal | None) -> str:
    """As usd; a dash where the amount is unknown."""
    return "—" if amount is None else usd(amount)


def hourly(amount: Decimal) -> str:
    """A price per hour, at least two decimals and no more than four: 55.04, 0.3587."""
    text = f"{amount.quantize(Decimal('0.0001'), ROUND_HALF_UP):,f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def percent(share: float) -> str:
    """A share as a percentage: whole from 10 %, two digits below."""
    value = share * 100
    if abs(value) >= 9.95 or value == 0:
        return f"{value:.0f} %".replace("-", "−")
    if abs(value) < 0.01:
        return "<0.01 %"
    return f"{value:.1f} %" if abs(value) >= 0.095 else f"{value:.2f} %"


def number(value: float) -> str:
    """Three significant digits below a thousand, thousands separated above: 4.71, 62.5, 1,900."""
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return f"{value:.1e}" if "e" in text else text


def ordinal(value: float) -> str:
    """A number in its place: 1st, 80th, 92.5th."""
    last = int(value) % 100
    ending = "th" if value % 1 or 10 < last < 20 else {1: "st", 2: "nd", 3: "rd"}.get(last % 10, "th")
    return f"{value:g}{ending}"


def provider_name(provider: str) -> str:
    """A cloud as people write it; any other provider as it is."""
    return PROVIDERS.get(provider, provider)


def site(provider: str, region: str) -> str:
    """A place to buy in: AWS us-east-1."""
    return f"{provider_name(provider)} {region}"


def layout(tensor: int, pipeline: int, replicas: int, *, attention_data_parallel: bool = False) -> str:
    """How replicas lie on the GPUs of a unit: TP8, TP4×2, TP2+PP4, DP8+EP."""
    split = f"DP{tensor}+EP" if attention_data_parallel else f"TP{tensor}"
    stages = f"+PP{pipeline}" if pipeline > 1 else ""
    return f"{split}{stages}×{replicas}" if replicas > 1 else split + stages


def words(name: str) -> str:
    """An identifier as words."""
    return name.replace("_", " ")


def term(name: str) -> str:
    """As words, abbreviations as people write them: KV room, TTFT."""
    return " ".join(word.upper() if word in _ABBREVIATIONS else word for word in words(name).split(" "))


def units(least: int, most: int) -> str:
    """A range of counts, once where both are equal: 8, 0–3."""
    return f"{most:,}" if least == most else f"{least:,}–{most:,}"


def counted(amount: int, noun: str) -> str:
    """An amount of things: 1 instance, 3 instances."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"
