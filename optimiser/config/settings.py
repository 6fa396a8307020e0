"""settings.yaml: default policy, solver limits, what step times rest on, ages of prices, the store, discounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from optimiser.config.entries import mapping_of, only_known, parse_entry
from optimiser.errors import bad_value, did_you_mean
from optimiser.files import day_of
from optimiser.planning.start_up import StartUpTimes
from optimiser.prices.discounts import Discount
from optimiser.workload.resolved import PERFORMANCE
from providers.offer import Tier

SETTINGS = ("policy", "solver", "max_price_age_days", "live_prices", "store", "discounts", "start_up")


@dataclass(frozen=True, kw_only=True)
class SolverSettings:
    """The relative gap (0.0001 is 0.01 %) at which the search may stop."""

    relative_gap: float


@dataclass(frozen=True, kw_only=True)
class LivePriceLimits:
    """How old prices of the store may grow, in hours since their scope was last fetched.

    Past warn_after_hours (per tier) they are named; past refuse_after_hours they are left out. None: no limit.
    """

    warn_after_hours: Mapping[str, float | None]
    refuse_after_hours: float | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """config/settings.yaml, layered. source names the files.

    policy is as written there: policy_layers checks it, as the lowest layer. performance is one of
    workload.resolved.PERFORMANCE, for workloads that do not say. max_price_age_days is of the
    prices in files, live_prices of those in the store; store_url None is the platform's data directory.
    """

    source: str
    policy: dict[str, Any]
    solver: SolverSettings
    performance: str
    max_price_age_days: dict[str, int | None]
    live_prices: LivePriceLimits
    store_url: str | None
    discounts: tuple[Discount, ...]
    start_up: StartUpTimes


def settings_of(
    sections: Mapping[str, dict[str, Any]], performance: object, directories: tuple[Path, ...]
) -> Settings:
    """The sections and fields of every layer's settings.yaml, already merged. Raises UsageError for a bad value."""
    files = (layer / "settings.yaml" for layer in reversed(directories))
    where = " over ".join(str(path) for path in files if path.is_file())
    ages = sections.get("max_price_age_days", {})
    only_known(ages, tuple(Tier), f"{where}: max_price_age_days")
    for tier, days in ages.items():
        if days is not None and (isinstance(days, bool) or not isinstance(days, int) or days < 0):
            raise bad_value(where, f"max_price_age_days.{tier}", days, "whole days, or null for no limit")
    if not isinstance(performance, str) or performance not in PERFORMANCE:
        right = f"must be {' or '.join(PERFORMANCE)}; {did_you_mean(str(performance), PERFORMANCE)}"
        raise bad_value(where, "performance", performance, right)
    return Settings(
        source=where,
        policy=sections.get("policy", {}),
        solver=parse_entry(SolverSettings, sections.get("solver"), f"{where}: solver"),
        performance=performance,
        max_price_age_days=ages,
        live_prices=_live_prices(sections.get("live_prices", {}), where),
        start_up=parse_entry(StartUpTimes, sections.get("start_up"), f"{where}: start_up"),
        store_url=_store_url(sections.get("store", {}), where),
        discounts=tuple(
            _discount(name, entry, f"{where}: discounts.{name}")
            for name, entry in sections.get("discounts", {}).items()
        ),
    )


def _live_prices(section: Mapping[str, Any], where: str) -> LivePriceLimits:
    only_known(section, ("warn_after_hours", "refuse_after_hours"), f"{where}: live_prices")
    warn = mapping_of(section.get("warn_after_hours"), where, "live_prices.warn_after_hours")
    only_known(warn, tuple(Tier), f"{where}: live_prices.warn_after_hours")
    refuse = section.get("refuse_after_hours")
    limits = {f"warn_after_hours.{tier}": hours for tier, hours in warn.items()}
    for name, hours in {**limits, "refuse_after_hours": refuse}.items():
        if hours is not None and (
            isinstance(hours, bool) or not isinstance(hours, int | float) or hours <= 0
        ):
            raise bad_value(where, f"live_prices.{name}", hours, "hours above 0, or null for no limit")
    return LivePriceLimits(warn_after_hours=warn, refuse_after_hours=refuse)


def _store_url(section: Mapping[str, Any], where: str) -> str | None:
    only_known(section, ("url",), f"{where}: store")
    url = section.get("url")
    if url is not None and not isinstance(url, str):
        raise bad_value(where, "store.url", url, 'a URL such as "postgresql://host/prices", or null')
    return url


# No agreement known takes off nearly all; a larger figure is the share that is paid, or a slip.
MOST_OFF = 90
_DISCOUNT_FIELDS = ("provider", "percent", "tiers", "instance_types", "regions", "valid_until")


def _discount(name: str, entry: object, where: str) -> Discount:
    fields = mapping_of(entry, where, "the entry")
    only_known(fields, _DISCOUNT_FIELDS, where)
    if not name or "/" in name:
        raise bad_value(where, "name", name, "the contract's name, without a slash")
    provider, percent = fields.get("provider"), fields.get("percent")
    until = day_of(fields.get("valid_until"))
    if not isinstance(provider, str) or not provider:
        raise bad_value(where, "provider", provider, "the provider whose list prices it takes off")
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 < percent <= MOST_OFF:
        right = f"above 0 and at most {MOST_OFF}: what is taken off, not what is left to pay"
        raise bad_value(where, "percent", percent, right)
    if until is not None and type(until) is not date:
        raise bad_value(where, "valid_until", until, "a date like 2027-06-30, or left out")
    tiers = _names(fields.get("tiers"), where, "tiers")
    for tier in tiers:
        if tier not in tuple(Tier):
            raise bad_value(where, "tiers", tier, did_you_mean(tier, tuple(Tier)))
    if not tiers:
        raise bad_value(where, "tiers", fields.get("tiers"), "name the tiers, such as [on_demand, reserved]")
    return Discount(
        name=name,
        provider=provider,
        percent=Decimal(str(percent)),
        tiers=tuple(map(Tier, tiers)),
        instance_types=_names(fields.get("instance_types", ["*"]), where, "instance_types"),
        regions=_names(fields.get("regions", ["*"]), where, "regions"),
        valid_until=until,
    )


def _names(value: object, where: str, field: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise bad_value(where, field, value, 'a list of names or patterns, such as ["p5.*"]')
    return tuple(value)
