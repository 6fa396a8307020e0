"""What the plan is compared with: baselines, other clouds, other sites, and rules eased."""

from dataclasses import replace
from decimal import Decimal

from hand_made_parts import MONTHLY_USD, alternative, rule
from hand_made_plans import OFFERS, PURCHASES, plan
from printed_tables import section, table

from optimiser.planning.plan_parts import PlanRule
from optimiser.policy import Policy


def test_spots_part_is_read_from_the_baseline_alone() -> None:
    # An alternative of that name, and the offers' prices, are not what it is measured against.
    made = plan(
        alternatives=(alternative("without_spot", "99005.28"),),
        baselines=(alternative("without_spot", "83005.28"),),
        offers=(*OFFERS[:1], replace(OFFERS[1], tier="x"), OFFERS[2]),
    )
    assert "Spot's part of the saving: $1,000 a month" in table(made)


def test_spot_has_its_part_of_the_saving_apart() -> None:
    solved = plan(
        baselines=(alternative("single_type_on_demand", "120000"), alternative("without_spot", "83005.28"))
    )
    assert "Spot's part of the saving: $1,000 a month, against the best plan without spot" in table(solved)
    assert "none, the plan uses no spot" in table(plan(purchases=PURCHASES[:2], counts=()))
    for absent in ((), (alternative("without_spot", None),)):
        assert "Spot's part of the saving: cannot be told" in table(plan(baselines=absent))


def test_baselines_say_what_is_saved_what_saves_nothing_and_what_is_not_possible() -> None:
    lines = section(plan(), "Against the baselines")
    assert lines[1].split()[-3:] == ["$37,995", "32", "%"]
    assert lines[3].split()[-2:] == ["—", "—"]
    assert lines[4] == "—: not allowed or not possible under this policy."
    same = section(plan(baselines=(alternative("mix_on_demand", str(MONTHLY_USD)),)), "Against the baselines")
    assert same[1].split()[-5:] == ["$82,005", "nothing", "costs", "the", "same"]
    assert "not possible" not in " ".join(same)


def test_clouds_stand_side_by_side_and_mixing_sites_is_priced() -> None:
    text = " ".join(section(plan(), "Each cloud alone"))
    assert "AWS us-east-1: p5.48xlarge 2 commitment" in text
    assert "this plan" in text
    assert "+$8,000" in text
    assert "Mixing sites (max_sites=null) would save $1,000 a month." in text
    tie = " ".join(section(plan(by_provider=(alternative("gcp", str(MONTHLY_USD)),)), "Each cloud alone"))
    assert "the same cost" in tie
    assert "this plan" not in tie
    dearer = plan(alternatives=(alternative("mixed_sites", None),))
    assert "Mixing sites (max_sites=null) would save nothing." in table(dearer)


def test_rules_that_cost_money_are_always_shown_and_the_others_on_request() -> None:
    assert "$4,321" in " ".join(section(plan(), "What the rules cost"))
    assert "keep firm floor" not in table(plan())
    explained = section(plan(), "Rules", explain=True)
    assert explained[1].split()[-3:] == ["req/s", "binds", "$4,321"]
    assert "keep firm floor" in explained[2]
    free = section(plan(rules=(rule("keep_firm_floor"),)), "What the rules cost")
    assert free == ["Spare is kept for the loss of one unit of 1 req/s."]


def test_costs_of_rules_say_where_the_plan_without_each_was_looked_for() -> None:
    here, anywhere = (
        rule(name, limit="so much", cost_monthly_usd=Decimal(cost))
        for name, cost in (("survive_instance_loss", 30), ("weigh_commitments", 20))
    )

    def said(*rules: PlanRule) -> str:
        text = " ".join(section(plan(rules=rules), "What the rules cost"))
        return " ".join(text.split("Each: ")[1].split())

    alone = "what the best plan in the chosen region would save if that rule alone were eased"
    assert said(here) == f"{alone}."
    assert said(here, anywhere) == f"{alone}; for weigh commitments: in any region that the policy allows."
    assert said(anywhere) == (
        "what the best plan in any region that the policy allows would save if that rule alone were eased."
    )


def test_rules_that_cost_nothing_take_one_line_and_those_that_are_off_none() -> None:
    rules = (
        rule("limit_sites", cost_monthly_usd=Decimal(0)),
        rule("keep_firm_floor", cost_monthly_usd=Decimal(0)),
        rule("survive_instance_loss", limit="", slack=None, cost_monthly_usd=Decimal(0)),
    )
    off = plan(rules=rules, policy=Policy(survive_instance_losses=0).model_dump(mode="json"))
    assert section(off, "What the rules cost") == [
        "No unit is kept spare (survive_instance_losses=0).",
        "Cost nothing here: limit sites, keep firm floor.",
    ]
    assert "survive instance loss  off in this policy" in " ".join(section(off, "Rules", explain=True))


def test_alternatives_that_cost_the_same_or_do_not_exist_are_called_so() -> None:
    others = (alternative("next_best", str(MONTHLY_USD)), alternative("mixed_sites", None))
    text = " ".join(section(plan(alternatives=others), "Alternatives", explain=True))
    assert "the same cost" in text
    assert "this plan" not in text
    assert "none is cheaper" in text
