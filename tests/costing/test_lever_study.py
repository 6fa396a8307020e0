"""Levers on a small workload: each saving is that of a plan, a combination is one plan, and what is proven is said."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given as examples
from hypothesis import settings
from hypothesis import strategies as st
from lever_requests import CONFIG, FACTS, GIVEN, small_request

from optimiser.costing.levers import levers_for
from optimiser.costing.levers.lever import Asks
from optimiser.costing.levers.replanned import energy_of, latency_of, replan, task_of
from optimiser.costing.levers.study import Pulled, Study, chosen, study, within_gap
from optimiser.errors import NoFeasiblePlan, UsageError
from optimiser.planning.plan import Plan
from optimiser.recommend import Request, recommend
from optimiser.report.levers_list import lever_rows
from optimiser.report.levers_page import levers_document
from optimiser.report.text_layout import text_of

LEVERS = levers_for(CONFIG)
NAMED = ["weights-fp8", "spot-50", "tpot+10", "ttft+1000", "autoscale", "gpu-T4", "speculative"]


@pytest.fixture(scope="module")
def request_of_chat() -> Request:
    return small_request()


@pytest.fixture(scope="module")
def found(request_of_chat: Request) -> Study:
    return study(request_of_chat, GIVEN, chosen(NAMED, LEVERS), jobs=1)


def one(found: Study, name: str) -> Pulled:
    return next(pulled for pulled in found.pulled if pulled.lever.name == name)


def cost(plan: Plan) -> Decimal:
    return plan.totals.total_monthly_usd


def test_a_saving_is_the_difference_of_two_plans_of_recommend(request_of_chat: Request, found: Study) -> None:
    whole = replace(request_of_chat, alone=False)
    in_fp8 = recommend(replace(whole, workload=replace(whole.workload, weight_precision="fp8")))
    assert cost(found.baseline) == cost(recommend(whole))
    assert one(found, "weights-fp8").saved_usd == cost(found.baseline) - cost(in_fp8)
    assert one(found, "weights-fp8").saves


def test_a_lever_without_effect_is_within_the_gap(found: Study) -> None:
    # The target that binds is TPOT: first tokens may come as late as they like.
    assert one(found, "ttft+1000").within_gap
    assert not one(found, "ttft+1000").saves


def test_what_is_in_place_is_held_against_the_plan_without_it(request_of_chat: Request, found: Study) -> None:
    scaled = one(found, "autoscale")
    busiest = replace(request_of_chat.workload, periods=(request_of_chat.workload.periods[2],) * 4)
    starts = [period.start for period in request_of_chat.workload.periods]
    busiest = replace(
        busiest, periods=tuple(replace(p, start=s) for p, s in zip(busiest.periods, starts, strict=True))
    )
    constant = recommend(replace(request_of_chat, workload=busiest))
    assert scaled.saved_usd == cost(constant) - cost(found.baseline)


def test_a_lever_without_a_plan_says_why(found: Study) -> None:
    alone = one(found, "gpu-T4")
    assert alone.saved_usd is None
    assert alone.replanned is not None
    assert "T4" in alone.replanned.why_no_plan


def test_a_combination_is_one_plan_of_all_its_levers(request_of_chat: Request, found: Study) -> None:
    by_asks = {combination.asks: combination for combination in found.combinations}
    fewer_bits = by_asks[Asks.PRECISION]
    assert set(fewer_bits.kept) == {"weights-fp8", "spot-50"}
    question = request_of_chat
    for name in fewer_bits.kept:
        question = LEVERS[name].apply(question, GIVEN).request  # type: ignore[union-attr]
    assert cost(recommend(question)) == cost(fewer_bits.plan)
    for combination in found.combinations:
        alone = [one(found, name).saved_usd for name in combination.kept]
        assert combination.saved_usd == cost(found.baseline) - cost(combination.plan)
        assert all(saved is not None and combination.saved_usd >= saved for saved in alone)
        groups = [LEVERS[name].group for name in combination.kept]
        assert len(groups) == len(set(groups))
    savings = [combination.saved_usd for combination in found.combinations]
    assert savings == sorted(savings)


@settings(max_examples=4)
@examples(st.integers(min_value=1, max_value=80), st.sampled_from(["tpot_ms", "ttft_ms"]))
def test_a_looser_target_is_never_dearer_than_the_bound(more: int, field: str) -> None:
    tight = small_request({"target.tpot_ms": "30", "target.ttft_ms": "400"})
    assert tight.workload.target is not None
    looser = replace(tight.workload.target, **{field: getattr(tight.workload.target, field) + more})
    before = recommend(tight).bound
    after = recommend(replace(tight, workload=replace(tight.workload, target=looser))).bound
    assert before.plan_usd is not None
    assert after.value_usd <= before.plan_usd


def test_latency_is_read_off_the_load_of_each_hour() -> None:
    plan = recommend(small_request({"demand": "{requests_per_second: 40}"}, tiers=("on_demand",)))
    (option,), (bought,) = plan.options, plan.purchases
    assert bought.min_units == bought.max_units
    load = 40 / (bought.max_units * option.estimated_rps)
    below = max((p for p in option.load_points if p.utilisation <= load), key=lambda p: p.utilisation)
    above = min((p for p in option.load_points if p.utilisation > load), key=lambda p: p.utilisation)
    way = (load - below.utilisation) / (above.utilisation - below.utilisation)
    by_hand = below.tpot_ms + way * (above.tpot_ms - below.tpot_ms)
    latency = latency_of(plan)
    assert latency is not None
    assert latency[1] == pytest.approx(by_hand)
    energy = energy_of(plan)
    assert energy is not None
    assert energy.kwh == pytest.approx(sum(row.kwh_monthly_at_load or 0 for row in plan.energy))
    assert energy_of(replace(plan, footprint=None)) is None
    assert latency_of(recommend(small_request({"target": "null"}))) is None


def test_the_gap_of_both_plans_is_taken(found: Study) -> None:
    plan = found.baseline
    dearer = replace(plan, totals=replace(plan.totals, total_monthly_usd=cost(plan) * Decimal("1.01")))
    assert not within_gap(plan, dearer, 0.0001)
    loose = replace(dearer, bound=replace(plan.bound, gap=0.02))
    assert within_gap(plan, loose, 0.0001)


def test_a_workload_without_a_plan_is_refused_as_recommend_refuses_it() -> None:
    with pytest.raises(NoFeasiblePlan, match="T4"):
        study(small_request(gpus=("T4",), instance_types=None), GIVEN, chosen(["kv"], LEVERS), jobs=1)


def test_a_model_too_short_for_the_requests_is_a_reason() -> None:
    long = small_request({"sizes": "{prompt_tokens: 9000, output_tokens: 200}"})
    short = LEVERS["distil"].apply(long, replace(GIVEN, distil="deepseek-67b"))
    assert "4,096" in replan(long, task_of(short.request)).why_no_plan  # type: ignore[union-attr]


def test_names_and_groups_choose_levers() -> None:
    assert len(chosen(None, LEVERS)) == len(LEVERS)
    assert [lever.name for lever in chosen(["kv", "spot-50"], LEVERS)] == ["kv-fp8", "kv-fp4", "spot-50"]
    assert all(lever.combine for lever in chosen(["tpot"], LEVERS))
    with pytest.raises(UsageError, match="did you mean kv-fp8"):
        chosen(["kv-fp9"], LEVERS)


def test_the_page_shows_every_lever_once_with_its_setting_and_price(found: Study) -> None:
    rows = lever_rows("chat", found, FACTS)
    assert [row.kind for row in rows[:2]] == ["baseline", "lever"]
    text = text_of(levers_document(rows, found))
    for said in (
        "--set weight_precision=fp8",
        "Kurtic et al. 2024",
        "within  the gap",
        "already planned hour by hour",
    ):
        assert said in text, said
    assert "T4" in text.split("Not here")[1]
    by_name = {row.name: row for row in rows}
    assert by_name["spot-50"].quality == ()
    assert by_name["autoscale"].saved_usd == one(found, "autoscale").saved_usd
    assert by_name["weights-fp8"].saved_kwh == pytest.approx(
        by_name["baseline"].kwh_monthly - by_name["weights-fp8"].kwh_monthly  # type: ignore[operator]
    )


def test_what_changes_the_answers_is_a_headline_only_where_it_was_named(request_of_chat: Request) -> None:
    named = study(request_of_chat, GIVEN, chosen(["distil", "weights-fp8", "spot-50"], LEVERS), jobs=1)
    other = replace(named.combinations[0], asks=Asks.ANSWERS, kept=("distil", "spot-50"))
    named = replace(named, combinations=(other,))
    pulled = tuple(replace(one, lever=replace(one.lever, named=False)) for one in named.pulled)
    for found, said in ((named, True), (replace(named, pulled=pulled), False)):
        rows = lever_rows("chat", found, FACTS)
        headline = levers_document(rows, found).headline
        assert ("a smaller model alone" in headline) == said
        assert ("other answers or waiting times, together" in headline) == said
        assert ("weights in fp8 alone" in headline) != said
        # 8B of 70B weights: DistilBERT's 60 % say nothing of it.
        assert {row.name: row for row in rows}["distil"].quality == ("no published figure",)


def test_what_costs_more_says_which_machines_are_out_and_which_carry_less() -> None:
    # An H100 has no tensor cores for fp4; short answers under a tight target are fewer still where they are shorter.
    short = small_request(
        {"sizes": "{prompt_tokens: 2000, output_tokens: 20}", "target.tpot_ms": "30"},
        instance_types=("p5.48xlarge", "p6-b200.48xlarge"),
        gpus=None,
    )
    found = study(short, GIVEN, chosen(["kv-fp4", "output-25"], LEVERS), jobs=1)
    rows = {row.name: row for row in lever_rows("chat", found, FACTS)}
    assert "p5.48xlarge" in rows["baseline"].fleet
    said = rows["kv-fp4"].note
    assert "p5.48xlarge, which the baseline takes, is out: a KV cache in fp4 needs fp4 tensor cores" in said
    assert said.endswith(f"what is left takes {rows['kv-fp4'].fleet}")
    shorter = one(found, "output-25").replanned
    assert shorter is not None
    assert shorter.plan is not None
    before, after = (plan.options[0].estimated_rps for plan in (found.baseline, shorter.plan))
    assert after < before
    assert f"carries {after:.3g} req/s in place of {before:.3g} (TPOT)" in rows["output-25"].note


@pytest.mark.parametrize(("left", "quoted"), [(0.6, True), (0.69, True), (0.71, False), (0.11, False)])
def test_a_figure_is_quoted_of_about_as_many_weights(left: float, quoted: bool) -> None:
    assert bool(FACTS.of("distillation", left)) == quoted
    assert FACTS.of("weights-fp8", left) == FACTS.of("weights-fp8") != ()


def test_a_comparison_of_measured_with_unmeasured_says_so(found: Study) -> None:
    plan = found.baseline
    measured = tuple(replace(one, estimate_method="anchored on 3 runs of yours") for one in plan.options)
    anchored = replace(found, baseline=replace(plan, options=measured))
    by_name = {row.name: row for row in lever_rows("chat", anchored, FACTS)}
    assert "the baseline rests on your measurements, this plan does not" in by_name["weights-fp8"].note
    assert (
        "measurements" not in {row.name: row for row in lever_rows("chat", found, FACTS)}["weights-fp8"].note
    )
