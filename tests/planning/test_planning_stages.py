"""Stages as planning solves them: with what ends, and no more of a commitment than is signed after it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from independent_optimum import optimum_usd
from planning_cases import Case, case, committed, faults, hourly, machine, owned
from random_cases import random_case

from optimiser.planning.outcome import Found, Outcome
from optimiser.planning.problem import How
from optimiser.planning.search import search
from optimiser.planning.stages import Stage, serves, signing_no_more

UNTIL = date(2026, 1, 10)


def with_more_owned(seed: int) -> tuple[Case, Case]:
    """A random case, and the same with machines that only its stage has."""
    subject, rng = random_case(seed), np.random.default_rng(20_000 + seed)
    options, offers = [], dict(subject.offers)
    for option in subject.problem.options:
        made, behind = machine(
            option.instance_type,
            option.rate_rps,
            owned(int(rng.integers(1, 4))),
            region=option.region,
            provider=option.provider,
        )
        if rng.random() < 0.7:
            option, offers = replace(option, purchases=(*option.purchases, *made.purchases)), offers | behind
        options.append(option)
    return subject, replace(subject, problem=replace(subject.problem, options=tuple(options)), offers=offers)


def signed(found: Found) -> dict[str, int]:
    columns = enumerate(found.solution.columns)
    return {
        one.purchase.id: int(found.solution.units[0, c])
        for c, one in columns
        if one.purchase.how is How.COMMITMENT
    }


def stage_of(subject: Case, most: dict[str, int]) -> Case:
    options = signing_no_more(
        subject.problem.options, Stage(until=UNTIL, ending=frozenset(), most_signed=most)
    )
    return replace(subject, problem=replace(subject.problem, options=options))


def capped_by_hand(subject: Case, most: dict[str, int]) -> Case:
    """Every commitment with its limit, also those with none left, which the stage has no more."""
    options = tuple(
        replace(
            option,
            purchases=tuple(
                replace(one, max_units=most.get(one.id, 0)) if one.how is How.COMMITMENT else one
                for one in option.purchases
            ),
        )
        for option in subject.problem.options
    )
    return replace(subject, problem=replace(subject.problem, options=options))


# Where the stage would sign more than is signed after it, if it might.
WOULD_SIGN_MORE = (15, 79, 93, 134, 136)


@pytest.mark.parametrize("seed", [*range(14), *WOULD_SIGN_MORE])
def test_a_stage_is_the_proven_optimum_of_what_may_be_signed_before(seed: int) -> None:
    lasting, before = with_more_owned(seed)
    main = search(lasting.problem, gap=0.0).best
    if main is None:
        assert math.isinf(optimum_usd(lasting.problem))
        return
    most = signed(main)
    subject = stage_of(before, most)
    proven = optimum_usd(capped_by_hand(before, most).problem)
    assert (proven > optimum_usd(before.problem) + 1e-6) == (seed in WOULD_SIGN_MORE)
    outcome = search(subject.problem, gap=0.0)
    assert outcome.best is not None
    assert outcome.best.usd == pytest.approx(proven, rel=1e-6, abs=1e-6)
    assert outcome.lower_usd <= proven * (1 + 1e-9) + 1e-9 or outcome.lower_usd == proven
    assert faults(subject, outcome.best.solution) == []
    # The plan after needs nothing that the stage lacks, and signs no less.
    assert outcome.best.usd <= main.usd * (1 + 1e-9) + 1e-9
    assert all(units <= most[name] for name, units in signed(outcome.best).items())


def test_the_limit_on_what_is_signed_costs_a_stage_something() -> None:
    # 50 req/s are 5 units, 1 of them owned: of the other 4, those that may not be signed are paid by the hour.
    subject = case([machine("m", 10.0, hourly(1.0), committed(0.4), owned(1))], [50.0])
    (name,) = signed(best_of(search(subject.problem, gap=0.0)))
    found = {
        limit: best_of(search(stage_of(subject, {name: limit}).problem, gap=0.0)).usd for limit in (4, 3, 0)
    }
    assert found == pytest.approx({4: 4 * 0.4, 3: 3 * 0.4 + 1.0, 0: 4 * 1.0})


def best_of(outcome: Outcome) -> Found:
    assert outcome.best is not None
    return outcome.best


def test_an_option_with_nothing_left_to_buy_is_out_and_what_ends_is_found() -> None:
    subject = case([machine("m", 10.0, committed(0.4)), machine("n", 10.0, owned(2))], [20.0])
    offer = subject.problem.options[1].purchases[0].offer_id
    stage = Stage(until=UNTIL, ending=frozenset({offer}), most_signed={})
    left = signing_no_more(subject.problem.options, stage)
    assert [one.instance_type for one in left] == ["n"]
    assert serves(left, stage)
    assert not serves(left, replace(stage, ending=frozenset({"aws/r1/m/owned/9"})))
