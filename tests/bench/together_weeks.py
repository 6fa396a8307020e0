"""Twenty services in one plan: the shipped workloads at other scales and hours of the day, always the same."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from optimiser.config import load_config
from optimiser.config.policy_layers import PolicyLayer, resolve_policy
from optimiser.planning.caps import Cap
from optimiser.planning.problem import Demand, GrantedQuota, Problem, QuotaKey
from optimiser.planning.search import search
from optimiser.planning.together.caps import taken_of
from optimiser.planning.together.search import Together, search_together
from optimiser.prices.book import load_book
from optimiser.recommend import Request, prepared
from optimiser.workload import load_workload

SERVICES, HOURS = 20, 168
GAP, SECONDS = 0.01, 30.0
FAMILY, SHARE = "P", 0.9
SHIPPED = (
    "chat-llama-70b",
    "code-llama-8b",
    "nightly-batch-qwen-32b",
    "rag-qwen-72b",
    "reasoning-deepseek-r1",
)
SCALES = (0.25, 0.5, 1.0, 1.0, 2.0)


def together_weeks() -> Iterator[tuple[str, str, str, bool | None]]:
    """Case, measured, target and whether it is met."""
    problems = services(SERVICES)
    started = time.perf_counter()
    apart = sum(best.usd for one in problems if (best := search(one, alternatives=1).best))
    alone = time.perf_counter() - started
    started = time.perf_counter()
    outcome = search_together(problems, apart)
    seconds = time.perf_counter() - started
    usd = min(apart, outcome.best.usd if outcome.best else apart)
    gap = usd / outcome.lower_usd - 1
    bracket = f"{outcome.lower_usd:,.0f} … {usd:,.0f} of {apart:,.0f} apart"
    shown = f"{bracket}, gap {gap:.1%}, {seconds:.1f} s (and {alone:.1f} s apart)"
    name = f"together: {SERVICES} services × {HOURS} h"
    yield name, shown, f"gap ≤ {GAP:.0%}, ≤ {SECONDS:g} s", gap <= GAP and seconds <= SECONDS
    if outcome.best:
        yield _within_a_quota(problems, outcome.best)


def _within_a_quota(problems: list[Problem], free: Together) -> tuple[str, str, str, bool | None]:
    """The same where the services must share nine tenths of a family's quota in the region that they would choose."""
    site = free.place.site
    key = QuotaKey(*site, FAMILY, spot=False)
    peak = float(taken_of(Cap(amount=0, key=key), free.solutions, free.bought).max())
    quotas = (GrantedQuota(key=key, amount=peak * SHARE, source="the bench"),)
    kept = [
        replace(
            one,
            options=tuple(option for option in one.options if option.site == site),
            quotas=quotas,
            policy=one.policy.model_copy(update={"within_quotas": True}),
        )
        for one in problems
    ]
    started = time.perf_counter()
    outcome = search_together(kept, math.inf)
    seconds = time.perf_counter() - started
    usd = outcome.best.usd if outcome.best else math.inf
    shown = f"{outcome.lower_usd:,.0f} … {usd:,.0f}, gap {usd / outcome.lower_usd - 1:.1%}, {seconds:.1f} s"
    return f"  within {SHARE:.0%} of their {FAMILY} quota", shown, "", None


def services(count: int) -> list[Problem]:
    """So many problems over one week: none is of one kind with another, so that no replicas are shared."""
    config = load_config()
    draw = random.Random(20260105)
    book = None
    shipped: list[Problem] = []
    for name in SHIPPED:
        path = config.find_workload(name)
        workload = load_workload(path)
        day = workload.periods[0].start.date().replace(year=2026, month=11, day=21)
        book = book or load_book([], config.shapes, day, embedded=config.price_files)
        policy = resolve_policy(config, (PolicyLayer(name, workload.policy),), book)
        asked = Request(workload=workload, policy=policy, config=config, book=book, as_of=day)
        shipped.append(prepared(asked).problem)
    return [
        _another(shipped[number % len(shipped)], shipped[0], number, draw.choice(SCALES), draw.randrange(24))
        for number in range(count)
    ]


def _another(problem: Problem, week: Problem, number: int, scale: float, later: int) -> Problem:
    """A problem's demand times scale and so many hours later, in the hours of `week`."""
    planned, mean = (np.roll(rates * scale, later) for rates in (problem.planned_rps, problem.mean_rps))
    periods = tuple(
        replace(period, demand=((Demand(mean_rps=float(m), planned_rps=float(p)),),))
        for period, m, p in zip(week.periods, mean, planned, strict=True)
    )
    return replace(problem, services=(f"{problem.services[0]}-{number}",), periods=periods)
