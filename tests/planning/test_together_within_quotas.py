"""Services together within quotas and a limit on GPUs: cases worked by hand, and random ones beside their optimum."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from planning_cases import PLAIN, case, granted, held, hourly, machine
from together_cases import random_services, services
from together_optimum import together_usd

from optimiser.planning.caps import Cap
from optimiser.planning.outcome import Found
from optimiser.planning.problem import GrantedQuota, Problem
from optimiser.planning.search import search
from optimiser.planning.together import master
from optimiser.planning.together.caps import (
    broken_by,
    caps_of_all,
    excess_in_words,
    in_turn,
    least_in_words,
    taken_of,
)
from optimiser.planning.together.looked import Searched
from optimiser.planning.together.menus import menu_of, stacked
from optimiser.planning.together.search import TogetherOutcome, search_together
from optimiser.planning.together.services import hours_of, places
from optimiser.planning.together.services import within as kept_in
from optimiser.planning.together.ways import menu_usd

TOGETHER = PLAIN.model_copy(update={"max_sites": 1, "max_instance_types": 2})
DAY, NIGHT = [5.0, 1.0], [1.0, 4.0]


def within(problems: list[Problem], *quotas: GrantedQuota, max_gpus: int | None = None) -> list[Problem]:
    """The services where so much is granted to all of them."""
    update = {"within_quotas": True, "max_gpus": max_gpus}
    return [replace(p, quotas=quotas, policy=p.policy.model_copy(update=update)) for p in problems]


def day_and_night() -> list[Problem]:
    """Held machines of one family, and dearer ones of another by the hour."""
    machines = [machine("m", 1.0, held(2.0)), machine("n", 1.0, hourly(5.0), family="P")]
    return services(*(case(machines, demand, policy=TOGETHER) for demand in (DAY, NIGHT)))


def together(problems: list[Problem]) -> TogetherOutcome:
    """The search, whatever planning apart costs; what it finds keeps what is granted."""
    found = search_together(problems, math.inf)
    if found.best is not None:
        assert not broken_by(caps_of_all(problems), found.best.solutions, found.best.bought)
    return found


def alone(problems: list[Problem]) -> list[Found]:
    """The best plan of each with all that is granted for itself."""
    return [best for one in problems if (best := search(one, 0.0).best)]


def test_a_quota_that_holds_the_plan_changes_nothing() -> None:
    free, kept = together(day_and_night()), together(within(day_and_night(), granted(48)))
    assert free.best is not None
    assert kept.best is not None
    assert (kept.best.bought, kept.best.usd, kept.lower_usd) == (
        free.best.bought,
        free.best.usd,
        free.lower_usd,
    )
    for one, other in zip(free.best.solutions, kept.best.solutions, strict=True):
        assert one.units.tolist() == other.units.tolist()


def test_of_what_is_bought_for_all_every_instance_counts_in_every_hour() -> None:
    # Six held machines of 8 vCPU without a quota; with room for five one runs by the hour in the first hour.
    problems = within(day_and_night(), granted(40))
    found = together(problems)
    assert found.best is not None
    assert found.best.usd == pytest.approx(5 * 2.0 * 2 + 5.0)
    assert found.lower_usd <= found.best.usd
    taken = taken_of(Cap(amount=40, key=granted(40).key), found.best.solutions, found.best.bought)
    assert taken.tolist() == [40.0, 40.0]
    assert together_usd(problems) == pytest.approx(25.0)
    assert together_usd(day_and_night()) == pytest.approx(24.0)


def test_apart_services_take_a_quota_in_turn() -> None:
    machines = [machine("m", 1.0, hourly(1.0)), machine("n", 1.0, hourly(1.5), family="P")]
    problems = within(services(*(case(machines, [2.0], policy=TOGETHER) for _ in range(2))), granted(24))
    plans = alone(problems)
    assert broken_by(caps_of_all(problems), [one.solution for one in plans], {})
    turns = in_turn(problems, plans, 0.0)
    assert turns is not None
    # Two of the family for the first, one left for the second beside one of the dearer ones.
    assert [one.usd for one in turns] == pytest.approx([2.0, 2.5])


def test_where_an_order_has_no_plan_the_service_that_had_none_goes_first() -> None:
    either = [machine("m", 1.0, hourly(1.0)), machine("n", 1.0, hourly(1.5), family="P")]
    cases = (case(either, [2.0], policy=TOGETHER), case(either[:1], [2.0], policy=TOGETHER))
    problems = within(services(*cases), granted(16))
    turns = in_turn(problems, alone(problems), 0.0)
    assert turns is not None
    assert [one.usd for one in turns] == pytest.approx([3.0, 2.0])


def test_more_than_there_is_at_the_least_is_no_plan_and_proven() -> None:
    problems = within(day_and_night(), max_gpus=5)
    assert least_in_words(problems, caps_of_all(problems)).endswith("need at least 6 GPUs, and 5 are allowed")
    found = together(problems)
    assert (found.best, found.lower_usd) == (None, math.inf)
    assert found.beyond is not None
    said = excess_in_words(caps_of_all(problems), found.beyond.solutions, found.beyond.bought)
    assert said == "GPUs in all: 6, 5 allowed, 1 too many"
    assert in_turn(problems, alone(problems), 0.0) is None
    # Where only the sum of sizes proves it: each quota by itself could hold all.
    assert together(within(day_and_night(), granted(24), granted(16, family="P"))).lower_usd == math.inf


def test_the_best_ways_at_prices_of_machines_and_caps_are_those_worked_by_hand() -> None:
    # By the hour a machine costs 3, and its 8 vCPU 0.8 more in the second hour; a held one is priced at 3.2.
    free = services(case([machine("m", 1.0, held(2.0), hourly(3.0))], DAY, policy=TOGETHER))
    place = kept_in(places(free, hours_of(free))[0], caps_of_all(within(free, granted(40))))
    menu = menu_of(place, place.services[0], free[0].options, optimistic=False)
    assert menu is not None
    menu = stacked(place, [menu])
    use = np.array([[3.2, 3.2], [0.0, 0.1]])[:, place.hours.first]
    usd, ways = menu_usd(menu, place.hours.weight, use)
    assert usd == pytest.approx(5 * 3.0 + 3.2)
    assert menu.units[ways][place.hours.of_period].tolist() == [[0], [1]]


def random_within(seed: int) -> list[Problem]:
    """Random services, a family to each kind of machine, of which some grant less than their best plan takes."""
    families = {"m0": "G", "m1": "P", "m2": "V"}
    problems = [
        replace(
            one,
            options=tuple(
                replace(o, shape=replace(o.shape, quota_family=families[o.instance_type]))
                for o in one.options
            ),
        )
        for one in random_services(seed)
    ]
    best, rng = search_together(problems, math.inf).best, np.random.default_rng(seed + 5000)
    assert best is not None
    quotas = []
    for key in sorted({o.quota(p.how) for one in problems for o in one.options for p in o.purchases}):
        peak = taken_of(Cap(amount=0, key=key), best.solutions, best.bought).max()
        if rng.random() < 0.6:
            amount = 8 * math.ceil(peak / 8 * rng.uniform(0.6, 1.1))
            quotas.append(granted(amount, region=key.region, family=key.family, spot=key.spot))
    return within(problems, *quotas)


# 3: only a dearer site has room; 7: only other sets of machines have.
@pytest.mark.parametrize("seed", [0, 3, 7, 8])
def test_by_all_hours_and_by_some_the_bound_the_optimum_and_the_plan_stand_in_this_order_within_quotas(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = random_within(seed)
    optimum, by_all = together_usd(problems), together(problems)
    assert by_all.beyond is not None
    # Sets chosen by the dearest hours and some others.
    monkeypatch.setattr(master, "TIGHT_HOURS", 1)
    monkeypatch.setattr(master, "OTHER_HOURS", 1)
    for found in (by_all, together(problems)):
        assert found.lower_usd <= optimum * (1 + 1e-7) + 1e-6
        assert found.best is not None
        assert optimum - 1e-6 <= found.best.usd <= 1.1 * optimum


def test_the_hours_that_sets_are_chosen_by_have_the_dearest_once_and_weigh_as_much_as_all() -> None:
    kinds = [machine("m", 1.0, hourly(1.0))]
    demand = [float(n) for n in range(60)]
    problems = services(*(case(kinds, demand, policy=TOGETHER) for _ in range(2)))
    place = places(problems, hours_of(problems))[0]
    looked = Searched.of(place, 1.0)
    looked.fully(looked.prices)
    ways = [[ways for _, ways in some] for some in looked.cheapest_menus(1)]
    hours = master._tight_and_others(place, ways)
    dearest = np.argsort(problems[0].planned_rps[place.hours.first])[-master.TIGHT_HOURS :]
    assert [hours[h] for h in dearest.tolist()] == [1.0] * master.TIGHT_HOURS
    assert len(hours) == master.TIGHT_HOURS + master.OTHER_HOURS
    assert sum(place.hours.weight[h] * often for h, often in hours.items()) == pytest.approx(60.0)
