"""Services together: what is shared, what it costs, and how near the bound is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from planning_cases import case, committed, held, hourly, machine, spot
from together_cases import TOGETHER, apart_usd, random_services, services
from together_optimum import together_usd

from optimiser.planning.problem import Problem
from optimiser.planning.together import menus, rounds
from optimiser.planning.together.hours import Hour, exactly, needed, paired
from optimiser.planning.together.looked import Searched
from optimiser.planning.together.master import dived, divided
from optimiser.planning.together.near import Near
from optimiser.planning.together.search import TogetherOutcome, search_together
from optimiser.planning.together.services import hours_of, places
from optimiser.planning.together.ways import Ways
from optimiser.planning.worthwhile import worthwhile


def together(problems: list[Problem], cutoff_usd: float | None = None) -> TogetherOutcome:
    """The search, up to what planning apart costs."""
    return search_together(problems, apart_usd(problems) if cutoff_usd is None else cutoff_usd)


def test_a_day_and_a_night_service_hold_the_maximum_of_their_sum() -> None:
    day, night = [5.0, 1.0], [1.0, 4.0]
    held_alone = [case([machine("m", 1.0, held(2.0))], demand, policy=TOGETHER) for demand in (day, night)]
    problems = services(*held_alone)
    # Apart 5 + 4 machines for two hours; together no hour asks for more than 6.
    assert apart_usd(problems) == pytest.approx(9 * 2.0 * 2)
    found = together(problems)
    assert found.best is not None
    assert found.best.usd == pytest.approx(6 * 2.0 * 2)
    assert list(found.best.bought.values()) == [6]
    assert [one.units[:, 0].tolist() for one in found.best.solutions] == [[5, 1], [1, 4]]
    assert found.lower_usd == pytest.approx(24.0)


def test_a_commitment_serves_whoever_needs_it_where_neither_alone_would_fill_it() -> None:
    paid = machine("m", 1.0, hourly(1.0), committed(0.6))
    problems = services(*(case([paid], demand, policy=TOGETHER) for demand in ([2.0, 0.0], [0.0, 2.0])))
    # Alone each commitment would stand idle every other hour: 0.6 × 2 is dearer than 1.0 in one of them.
    assert apart_usd(problems) == pytest.approx(4.0)
    found = together(problems)
    assert found.best is not None
    assert found.best.usd == pytest.approx(2 * 0.6 * 2)
    assert list(found.best.bought.values()) == [2]


def test_commitments_are_in_use_in_all_but_the_share_of_hours() -> None:
    paid = machine("m", 1.0, hourly(1.0), committed(0.3))
    policy = TOGETHER.model_copy(update={"commitment_hours_share": 0.25})
    demands = ([2.0, 2.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0])
    problems = services(*(case([paid], demand, policy=policy) for demand in demands))
    found = together(problems)
    assert found.best is not None
    # 3, 2, 1 and 0 are in use; three hours of four fill one. By the hour 2 + 1 + 0 + 0 beside it.
    assert list(found.best.bought.values()) == [1]
    assert found.best.usd == pytest.approx(4 * 0.3 + 3.0)


def test_idle_machines_of_others_serve_though_alone_they_are_not_worth_a_look() -> None:
    # A unit serves under a hundredth of what is always asked, at 20 times the cost: alone it is passed over.
    day = case([machine("m", 1.0, held(2.0))], [110.0, 0.0], policy=TOGETHER)
    always = case(
        [machine("m", 0.0095, held(2.0)), machine("big", 1.0, held(10.0), hourly(11.0))],
        [1.0, 1.0],
        policy=TOGETHER,
    )
    assert worthwhile(always.problem)[1] == ("m",)
    found = together(services(day, always))
    assert found.best is not None
    # The day's 110 stand idle at night, when 106 of them carry it for nothing, and the big one runs for an hour of two.
    assert found.best.usd == pytest.approx(110 * 2.0 * 2 + 11.0)


def test_nothing_shared_is_no_plan_below_apart() -> None:
    one = case([machine("m", 1.0, hourly(1.0), region="r1")], [3.0], policy=TOGETHER)
    other = case([machine("m", 1.0, hourly(1.0), region="r2")], [3.0], policy=TOGETHER)
    assert together(services(one, other)).best is None


def test_the_same_services_have_the_same_plan() -> None:
    one, other = (together(random_services(26)).best for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.bought == other.bought
    assert [s.units.tolist() for s in one.solutions] == [s.units.tolist() for s in other.solutions]


# 7002 and 8178: machines of two sizes, of which the larger cannot be dropped; 7026: a set that serves no hour.
@pytest.mark.parametrize("seed", [*range(5), 7002, 7026, 8178])
def test_the_bound_the_optimum_and_the_plan_stand_in_this_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = random_services(seed)
    optimum, apart = together_usd(problems), apart_usd(problems)
    found = together(problems, apart + 1e-6 if math.isfinite(apart) else math.inf)
    assert found.lower_usd <= optimum * (1 + 1e-7) + 1e-6
    if found.best is not None:
        assert optimum - 1e-6 <= found.best.usd <= apart + 1e-6
    if seed < 4:
        monkeypatch.setattr(menus, "MENU_CELLS", 25)
        in_bundles = together(problems, math.inf)
        assert in_bundles.lower_usd <= optimum * (1 + 1e-7) + 1e-6
        assert in_bundles.best is None or in_bundles.best.usd >= optimum - 1e-6


def test_of_sets_that_mix_in_halves_the_better_one_is_planned() -> None:
    # The sets that are taken most where they mix need a machine more without the others.
    problems = random_services(8110)
    found = together(problems, math.inf)
    assert found.best is not None
    assert found.best.usd == pytest.approx(together_usd(problems))


def test_all_ways_at_once_cost_what_each_service_does_by_itself() -> None:
    place = places(random_services(7), hours_of(random_services(7)))[0]
    looked = Searched.of(place, 1.0)
    looked.fully(looked.prices)
    known = [choices.near for choices in looked.choices]
    assert all(known)
    use = looked.prices.use * np.linspace(0.2, 1.8, looked.prices.use.shape[1])
    usd, taken = Near.of(known).least(use)
    best = [min(some.values(), key=lambda ways: ways.usd(use)) for some in known]
    assert usd == pytest.approx(sum(ways.usd(use) for ways in best))
    # What they take is paid for at those prices, and the rest is what they cost beside it.
    beside = sum(
        float(ways.cost[np.arange(len(ways.cost)), ways.at(use).argmin(axis=1)].sum()) for ways in best
    )
    assert float((taken * use).sum()) == pytest.approx(usd - beside)


def test_an_hour_is_mended_by_changing_two_services_at_once() -> None:
    # One machine of each of two kinds; both services take the first, and each does with the second for 1 or 3 more.
    cost = np.array([[0.0, 1.0], [0.0, 3.0]])
    taken = np.array([[[1, 0], [0, 1]], [[1, 0], [0, 1]]])
    worth = np.array([1.0, 1.0])
    ways, beyond = paired(cost, taken, np.zeros(2, dtype=np.int64), np.array([1, 1]), worth)
    assert (ways.tolist(), beyond) == ([1, 0], 0.0)
    # From the dearer way round, only an exchange of both gets there.
    ways, beyond = paired(cost, taken, np.array([0, 1]), np.array([1, 1]), worth)
    assert (ways.tolist(), beyond) == ([1, 0], 0.0)
    # With one machine in all, an hour cannot be mended.
    assert paired(cost, taken, np.array([0, 1]), np.array([1, 0]), worth)[1] == 1.0


def test_an_exact_hour_rotates_three_services_where_pairs_cannot() -> None:
    # Each has a machine for 2 and would have the next one's for 1; any two alone would pay 1 + 9.
    cost = np.array([[2.0, 1.0, 9.0], [9.0, 2.0, 1.0], [1.0, 9.0, 2.0]])
    taken = np.broadcast_to(np.eye(3, dtype=np.int64), (3, 3, 3))
    ways, most = np.broadcast_to(np.arange(3), (3, 3)), np.ones(3, dtype=np.int64)
    assert paired(cost, taken, np.arange(3), most, np.ones(3))[0].tolist() == [0, 1, 2]
    # At any prices of use, these among them, and below any cost that is higher the answer is the same.
    for use, below in ((np.zeros(3), np.inf), (np.ones(3), np.inf), (np.array([1.0, 0.0, 2.0]), 3.5)):
        found = exactly(Hour(ways, cost, taken), most, use, below)
        assert found is not None
        assert found.tolist() == [1, 2, 0]
    assert exactly(Hour(ways, cost, taken), most, np.ones(3), 2.9) is None
    assert exactly(Hour(ways, cost, taken), np.array([1, 1, 0]), np.zeros(3)) is None


def test_of_ways_alike_one_is_needed_and_none_that_costs_and_takes_more() -> None:
    cost, taken = np.array([1.0, 1.0, 2.0, 0.5]), np.array([[1], [1], [1], [2]])
    assert sorted(needed(cost, taken, np.zeros(1)).tolist()) == [0, 3]


def test_staggered_fleets_of_many_units_are_bracketed_within_a_few_percent() -> None:
    machines = [
        machine("big", 4.0, held(3.6), committed(3.2), spot(1.4)),
        machine("small", 1.0, held(1.0), spot(0.5)),
    ]
    day = 12 + 8 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    policy = TOGETHER.model_copy(update={"max_spot_share": 0.3, "min_firm_instances": 1})
    problems = services(
        *(case(machines, np.roll(day, 6 * n).round(1).tolist(), policy=policy) for n in range(4))
    )
    found = together(problems)
    assert found.best is not None
    assert found.best.usd < 0.9 * apart_usd(problems)
    assert found.lower_usd <= found.best.usd < 1.03 * found.lower_usd


@pytest.mark.parametrize("whole", [False, True])
def test_a_service_takes_the_dearer_set_where_the_other_would_need_a_machine_more(whole: bool) -> None:
    kinds = [machine("a", 1.0, held(1.0)), machine("b", 1.0, held(1.0))]
    problems = services(*(case(kinds, demand, policy=TOGETHER) for demand in ([1.0, 0.0], [0.0, 1.0])))
    place = places(problems, hours_of(problems))[0]
    busy = [[int(one.problem.planned_rps[hour] > 0) for hour in place.hours.first] for one in place.services]

    def ways(s: int, kind: int, usd: float) -> Ways:
        taken = np.array(busy[s], dtype=float).reshape(1, -1, 1)
        of_menu, takes = np.zeros((2, 1), dtype=int), np.zeros((2, 1, 0), dtype=int)
        return Ways(of_menu, np.array([[usd], [0.0]]), np.array([kind]), taken, takes)

    # The second service has the second kind for 0.3 less, and the first kind stands idle for half of the time.
    found = divided(place, [[ways(0, 0, 0.0)], [ways(1, 0, 0.3), ways(1, 1, 0.0)]], whole=whole)
    assert found is not None
    assert found.usd == pytest.approx(2 * 1.0 + 0.3)
    assert found.machines.tolist() == pytest.approx([1.0, 0.0])
    assert [share.tolist() for share in found.shares] == [pytest.approx([1.0]), pytest.approx([1.0, 0.0])]


def test_ways_of_an_hour_stand_once_and_its_first_fills_what_others_have_more_of() -> None:
    place = places(random_services(7), hours_of(random_services(7)))[0]
    looked = Searched.of(place, 1.0)
    menu = next(one for number in range(9) if (one := looked.menu(0, number)) and len(one.units) >= 3)
    hours = len(place.hours.weight)
    some = np.tile([2, 0, 2], (hours, 1))
    some[0] = [1, 1, 1]
    index = Ways.of(menu, some, place.hours.weight).index
    assert index.tolist() == [[1, 1], *([[0, 2]] * (hours - 1))]


@pytest.mark.parametrize("first", [1, 2, 5])
def test_sets_chosen_by_some_of_the_hours_are_near_the_best(first: int) -> None:
    kinds = [
        machine("big", 4.0, held(3.6), hourly(5.0)),
        machine("mid", 2.0, held(2.2), hourly(2.9)),
        machine("small", 1.0, held(1.0), hourly(1.5)),
    ]
    wave = 12 + 8 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    problems = services(
        *(case(kinds, np.roll(wave, 7 * n).round(1).tolist(), policy=TOGETHER) for n in range(3))
    )
    looked = Searched.of(places(problems, hours_of(problems))[0], 1.0)
    looked.raise_bound(math.inf, None)
    ways = [[ways for _, ways in some] for some in looked.cheapest_menus(6)]
    chosen = dived(looked.place, ways, first=first)
    assert chosen is not None
    alone = divided(looked.place, [[some[n]] for some, n in zip(ways, chosen, strict=True)])
    mixed = divided(looked.place, ways)
    assert alone is not None
    assert mixed is not None
    assert mixed.usd - 1e-6 <= alone.usd <= 1.05 * mixed.usd


def test_a_set_that_is_taken_most_gives_way_to_one_that_is_cheaper_by_itself() -> None:
    kinds = [machine("a", 1.0, held(100.0), committed(0.1, limit=3)), machine("b", 1.0, held(1.0))]
    problems = services(case(kinds, [5.0, 1.0], policy=TOGETHER))
    place = places(problems, hours_of(problems))[0]
    needs = np.array([[5.0 if one > 1 else 1.0] for one in problems[0].planned_rps[place.hours.first]])
    of_menu, takes = np.zeros((2, 1), dtype=int), np.zeros((2, 1, 0), dtype=int)
    ways = [Ways(of_menu, np.zeros((2, 1)), np.array([kind]), needs[None], takes) for kind in (0, 1)]
    # Mixed, three fifths are the commitment's; all of it takes two machines at 100 more, and the other 5 at 1.
    mixed = divided(place, [ways])
    assert mixed is not None
    assert mixed.shares[0].tolist() == pytest.approx([0.6, 0.4])
    assert dived(place, [ways]) == [1]


def test_where_some_of_the_hours_choose_what_fits_no_other_all_of_them_choose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(Searched, "few_hours", False)
    monkeypatch.setattr(rounds, "dived", lambda *given: asked.append(given[3]) or dived(*given))
    kinds = [machine("a", 1.0, committed(0.1, limit=3)), machine("b", 1.0, held(0.13))]
    policy = TOGETHER.model_copy(update={"max_instance_types": 1})
    # The least hour stands for all three: three of the cheap kind suffice in it, and in no other.
    problems = services(
        *(case(kinds, demand, policy=policy) for demand in ([1.0, 4.0, 5.0], [1.0, 4.0, 5.0]))
    )
    found = together(problems, math.inf)
    assert asked == [rounds.CHOSEN_BY_EVERY, 1]
    assert found.best is not None
    assert found.best.usd == pytest.approx(together_usd(problems))


@pytest.mark.parametrize("seed", [2, 4, 8])
def test_from_the_prices_of_a_like_site_the_bound_stays_below_the_optimum(seed: int) -> None:
    problems = random_services(seed)
    first, other = (Searched.of(place, 1.0) for place in places(problems, hours_of(problems)))
    first.raise_bound(math.inf, None)
    other.raise_bound(math.inf, first)
    there = [
        replace(one, options=tuple(o for o in one.options if o.site == other.place.site)) for one in problems
    ]
    optimum = together_usd(there)
    assert 0.8 * optimum < other.lower_usd <= optimum * (1 + 1e-7)


def test_groups_of_instances_take_whole_groups_of_each_offer() -> None:
    # Two groups of two by day, one instance by night: four machines, but three of the contract make one group alone.
    paid = (committed(0.5, limit=3), held(1.0))
    grouped = case([machine("m", 2.0, *paid, instances_per_unit=2)], [4.0, 0.0], policy=TOGETHER)
    single = case([machine("m", 1.0, *paid)], [0.0, 1.0], policy=TOGETHER)
    problems = services(grouped, single)
    found = together(problems, math.inf)
    assert found.best is not None
    assert sorted(found.best.bought.values()) == [2, 2]
    assert found.best.usd == pytest.approx(together_usd(problems))
