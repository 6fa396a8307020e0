"""Published and generated planning cases as problems: static mixes by request size, and hours × options × tiers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from optimiser.planning.problem import Demand, Floats, How, Option, Period, Problem, Purchase, Scenario
from optimiser.policy import Policy

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "planning"))
from planning_cases import estimate, shape

START = datetime(2026, 1, 5, tzinfo=UTC)
SPREAD, HOURLY_SPREAD = 0.3, 0.1


def read(path: Path) -> Any:
    """A case file's JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def period(start: datetime, *rates: float) -> Period:
    """One hour at a rate in req/s, that of each scenario."""
    demand = tuple((Demand(mean_rps=rate, planned_rps=rate),) for rate in rates)
    return Period(start=start, hours=1.0, demand=demand)


def mix_problem(case: dict[str, Any]) -> Problem:
    """A static mix: options with USD per hour and requests per second by size bucket, one rate, bucket shares."""
    options = tuple(
        Option(
            id=option["name"],
            provider="case",
            region="case",
            instance_type=option["name"],
            rate_rps=1.0,
            estimate=estimate(option["name"], 1.0),
            shape=shape(option["name"]),
            bucket_rates_rps=tuple(rate for row in option["max_requests_per_second"] for rate in row),
            purchases=(
                Purchase(
                    id=option["name"], how=How.HOURLY, offer_id="", usd_per_unit_hour=option["usd_per_hour"]
                ),
            ),
        )
        for option in case["options"]
    )
    rate = case["requests_per_second"]
    return Problem(
        services=("mix",),
        options=options,
        periods=(period(START, rate),),
        policy=Policy(utilisation_ceiling=1.0),
        bucket_shares=tuple(share for row in case["request_share"] for share in row),
        routing="by_size",
    )


def hours_problem(
    options: list[dict[str, Any]],
    demand: list[float],
    spot_share: float,
    firm_floor: int,
    scenarios: int = 1,
) -> Problem:
    """Hours × options × tiers: capacity `cap` req/s and USD per hour on demand, reserved and spot per option.

    Each of several scenarios, all alike probable, multiplies the week by a lognormal factor around 1 (σ = SPREAD) and
    each of its hours by another (σ = HOURLY_SPREAD).
    """
    built = tuple(
        Option(
            id=option["name"],
            provider="case",
            region="case",
            instance_type=option["name"],
            rate_rps=option["cap"],
            estimate=estimate(option["name"], option["cap"]),
            shape=shape(option["name"]),
            purchases=tuple(
                Purchase(
                    id=f"{option['name']}:{how.value}",
                    how=how,
                    offer_id="",
                    usd_per_unit_hour=option[field],
                    pool=option["name"] if how is How.SPOT else "",
                )
                for how, field in ((How.COMMITMENT, "res"), (How.HOURLY, "od"), (How.SPOT, "spot"))
            ),
        )
        for option in options
    )
    policy = Policy(
        max_sites=None,
        max_instance_types=None,
        max_spot_share=spot_share,
        survive_spot_pool_loss=False,
        min_firm_instances=firm_floor,
        survive_instance_losses=0,
        utilisation_ceiling=1.0,
        commitment_hours_share=1.0,
    )
    rates = np.array([demand]) if scenarios == 1 else np.array(demand) * _factors(scenarios, len(demand))
    periods = tuple(period(START + timedelta(hours=h), *rates[:, h].tolist()) for h in range(len(demand)))
    courses = tuple(Scenario(name=f"draw {n}", probability=1 / scenarios) for n in range(scenarios))
    return Problem(services=("hours",), options=built, periods=periods, policy=policy, scenarios=courses)


def _factors(scenarios: int, hours: int) -> Floats:
    draw = np.random.default_rng(20260105)
    weeks = draw.normal(0, SPREAD, (scenarios, 1)) + draw.normal(0, HOURLY_SPREAD, (scenarios, hours))
    return np.exp(weeks)


MODELS = ("llama-3.3-70b", "qwen2.5-72b", "mixtral-8x7b", "qwen2.5-32b", "llama-3.1-8b")


def workload_files(shipped: Path, folder: Path, count: int) -> list[Path]:
    """So many workload files: a shipped one with other models, 0.02 to 2 × its demand and 1 to 3 × its targets."""
    content = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    for name in ("profile", "trace"):
        if name in content["demand"]:
            content["demand"][name] = str((shipped.parent / content["demand"][name]).resolve())
    if "quantiles" in content["sizes"]:
        content["sizes"]["quantiles"] = str((shipped.parent / content["sizes"]["quantiles"]).resolve())
    scale, target = content["demand"].get("scale", 1.0), content["target"]
    files = []
    for number in range(count):
        share = number / max(count - 1, 1)
        longer = 1 + 2 * (number % 7) / 6
        made = content | {
            "name": f"service-{number:04}",
            "model": MODELS[number % len(MODELS)],
            "demand": content["demand"] | {"scale": scale * (0.02 + 1.98 * share)},
            "target": target | {name: target[name] * longer for name in ("ttft_ms", "tpot_ms")},
        }
        files.append(folder / f"service-{number:04}.yaml")
        files[-1].write_text(yaml.safe_dump(made), encoding="utf-8")
    return files


# Whose rates by request size stand in for a GPU's: those of the mixes are of four GPUs.
MIX_GPU = {
    "T4": "L4",
    "L4": "L4",
    "A10G": "A10G",
    "L40S": "A10G",
    "A100-40": "A100-80GB",
    "A100-80": "A100-80GB",
    "H100": "H100",
    "H200": "H100",
    "B200": "H100",
}


def sized_hours_problem(
    options: list[dict[str, Any]],
    demand: list[float],
    spot_share: float,
    firm_floor: int,
    mix: dict[str, Any],
) -> Problem:
    """Hours × options × tiers by request size: capacity is spread over sizes as an option's GPU's rates are in a mix.

    An option serves the mix's sizes in their shares at its capacity: rate[b] = cap · Σ share / gpu_rate · gpu_rate[b],
    over the sizes that its GPU serves.
    """
    shares = tuple(share for row in mix["request_share"] for share in row)
    by_gpu = {
        one["name"]: [rate for row in one["max_requests_per_second"] for rate in row]
        for one in mix["options"]
    }
    blended = hours_problem(options, demand, spot_share, firm_floor)
    sized = []
    for option in blended.options:
        rates = by_gpu[MIX_GPU[option.id.split("x")[0]]]
        served = [(share, rate) for share, rate in zip(shares, rates, strict=True) if rate > 0]
        busy = sum(share / rate for share, rate in served) / sum(share for share, _ in served)
        sized.append(replace(option, bucket_rates_rps=tuple(option.rate_rps * busy * rate for rate in rates)))
    return replace(blended, options=tuple(sized), bucket_shares=shares, routing="by_size")
