"""Services together that want more of a limited offer than there is: cases worked by hand, and random ones beside their
optimum."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from planning_cases import PLAIN, Paid, case, committed, held, hourly, machine, spot
from together_cases import random_services, services
from together_optimum import together_usd

from optimiser.planning.leaves import Solution
from optimiser.planning.outcome import Found
from optimiser.planning.problem import BY_THE_HOUR, How, Option, Problem
from optimiser.planning.search import search
from optimiser.planning.together.caps import in_turn
from optimiser.planning.together.limited import limits_of, overdrawn, overdrawn_in_words
from optimiser.planning.together.search import TogetherOutcome, search_together

TOGETHER = PLAIN.model_copy(update={"max_sites": 1, "max_instance_types": 2})


def two(*paid: Paid, demands: tuple[list[float], list[float]] = ([3.0], [3.0])) -> list[Problem]:
    """Two services on one machine that is paid so."""
    made = machine("m", 1.0, *paid)
    return services(*(case([made], demand, policy=TOGETHER) for demand in demands))


def together(problems: list[Problem]) -> TogetherOutcome:
    """The search, whatever planning apart costs; what it finds takes no more than there is."""
    found = search_together(problems, math.inf)
    if found.best is not None:
        assert not overdrawn(limits_of(problems), found.best.solutions, found.best.bought)
        hours = problems[0].hours
        beside = sum(_by_the_hour(one).usd(hours) for one in found.best.solutions)
        whole = sum(one.usd * found.best.bought[one.offer_id] for one in found.best.place.constants)
        assert found.best.usd == pytest.approx(beside + whole * hours.sum())
    return found


def _by_the_hour(solution: Solution) -> Solution:
    """What runs by the hour alone."""
    some = [n for n, one in enumerate(solution.columns) if one.purchase.how in BY_THE_HOUR]
    return replace(solution, columns=tuple(solution.columns[n] for n in some), units=solution.units[:, some])


def alone(problems: list[Problem]) -> list[Found]:
    """The best plan of each with all of every offer for itself."""
    return [best for one in problems if (best := search(one, 0.0).best)]


def test_what_a_contract_by_the_hour_has_too_few_of_runs_on_demand() -> None:
    problems = two(hourly(1.9), hourly(1.5, limit=4))
    found = together(problems)
    assert found.best is not None
    assert found.best.usd == pytest.approx(4 * 1.5 + 2 * 1.9)
    assert together_usd(problems) == pytest.approx(9.8)
    assert found.lower_usd <= 9.8
    assert found.over is not None
    said = overdrawn_in_words(limits_of(problems), found.over.solutions, found.over.bought)
    assert said.endswith("contract=negotiated: 6 instances, 4 on offer")


def test_services_that_want_it_in_other_hours_have_all_of_it() -> None:
    problems = two(hourly(1.9), hourly(1.5, limit=4), demands=([5.0, 1.0], [1.0, 5.0]))
    found = together(problems)
    assert found.best is not None
    assert found.best.usd == pytest.approx(2 * (4 * 1.5 + 2 * 1.9))


def test_where_no_other_offer_by_the_hour_serves_another_machine_does() -> None:
    machines = [machine("m", 1.0, hourly(1.5, limit=4)), machine("n", 1.0, hourly(1.7, limit=4))]
    problems = services(*(case(machines, [3.0], policy=TOGETHER) for _ in range(2)))
    found = together(problems)
    assert found.best is not None
    assert found.best.usd == pytest.approx(4 * 1.5 + 2 * 1.7)
    assert found.best.usd == pytest.approx(together_usd(problems))


def test_more_spot_than_its_offer_has_runs_otherwise() -> None:
    policy = TOGETHER.model_copy(update={"max_spot_share": 1.0, "survive_spot_pool_loss": False})
    made = machine("m", 1.0, hourly(2.0), replace(spot(0.5), limit=4))
    problems = services(*(case([made], [3.0], policy=policy) for _ in range(2)))
    found = together(problems)
    assert found.best is not None
    assert found.best.usd == pytest.approx(4 * 0.5 + 2 * 2.0)


def test_less_than_all_need_is_no_plan() -> None:
    problems = two(hourly(1.5, limit=4))
    assert together_usd(problems) == math.inf
    found = together(problems)
    assert found.best is None
    assert found.over is not None
    assert in_turn(problems, alone(problems), 0.0) is None


@pytest.mark.parametrize("paid", [hourly(1.5, limit=4), committed(1.0, limit=4), held(1.0, limit=4)])
def test_apart_services_take_a_limited_offer_in_turn(paid: Paid) -> None:
    usd = paid.usd
    problems = two(hourly(1.9), paid)
    plans = alone(problems)
    assert [one.usd for one in plans] == pytest.approx([3 * usd, 3 * usd])
    turns = in_turn(problems, plans, 0.0)
    assert turns is not None
    assert [one.usd for one in turns] == pytest.approx([3 * usd, usd + 2 * 1.9])


def test_of_an_offer_held_for_all_what_runs_by_the_hour_is_taken_too() -> None:
    # One service starts too slowly for the hour: its three are held, and three of the other's six are left.
    slow, fast = two(held(1.0, limit=6)), two(hourly(1.0, limit=6), hourly(1.4), demands=([6.0], [6.0]))
    (option,) = slow[0].options
    problems = [slow[0], replace(fast[1], options=tuple(_under(o, option) for o in fast[1].options))]
    found = together(problems)
    assert found.best is not None
    assert found.best.bought == {option.purchases[0].offer_id: 3}
    assert found.best.usd == pytest.approx(3 * 1.0 + 3 * 1.0 + 3 * 1.4)


def _under(option: Option, other: Option) -> Option:
    """The option whose limited offer is the other's."""
    return replace(
        option,
        purchases=tuple(
            one if one.max_units is None else replace(one, offer_id=other.purchases[0].offer_id)
            for one in option.purchases
        ),
    )


def random_limited(seed: int) -> list[Problem]:
    """Random services, of whose machines by the hour a few are to be had for less."""
    rng, known = np.random.default_rng(seed + 9000), dict[tuple[str, str], tuple[int, float]]()

    def more(option: Option) -> Option:
        purchases = list(option.purchases)
        for one in option.purchases:
            if one.how is How.HOURLY:
                limit = int(rng.integers(1, 6)), float(rng.uniform(0.5, 0.9))
                most, share = known.setdefault((option.instance_type, option.region), limit)
                name, usd = f"{one.offer_id}/contract", one.usd_per_unit_hour * share
                purchases.append(
                    replace(one, id=f"{name}:on_demand", offer_id=name, usd_per_unit_hour=usd, max_units=most)
                )
        return replace(option, purchases=tuple(purchases))

    return [replace(one, options=tuple(map(more, one.options))) for one in random_services(seed)]


# 0 to 2 have enough of every offer.
@pytest.mark.parametrize("seed", [0, 1, 2, 7, 9, 14, 18, 19, 26])
def test_the_bound_the_optimum_and_the_plan_stand_in_this_order_with_limited_offers(seed: int) -> None:
    problems = random_limited(seed)
    found, optimum = together(problems), together_usd(problems)
    assert found.lower_usd <= optimum * (1 + 1e-7) + 1e-6
    assert (found.over is not None) is (seed > 2)
    assert found.best is not None
    assert optimum - 1e-6 <= found.best.usd <= 1.05 * optimum
