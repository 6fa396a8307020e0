"""`optimiser train` from job to plan on the shipped prices: laws, and what the policy keeps it from."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from training_questions import BOOK, CONFIG, FEW, TODAY, asked, small

from optimiser import NoFeasiblePlan, Policy, StalePrices, UsageError, load_workload
from optimiser.costing.training.answer import train
from optimiser.costing.training.job import TrainingJob
from optimiser.costing.training.plan import TrainPlan
from optimiser.costing.training.request import TrainRequest, train_request
from optimiser.costing.training.train import found_ways
from optimiser.planning.problem import GrantedQuota, QuotaKey
from optimiser.prices.spot_past import NO_PAST
from optimiser.recommend import Request, recommend
from optimiser.report.train_caveats import caveats


def cost(wanted: TrainingJob) -> float | None:
    """USD of the cheapest way; None where there is none."""
    try:
        return found_ways(asked(wanted)).ways[0].usd
    except NoFeasiblePlan:
        return None


@settings(max_examples=6)
@given(
    tokens=st.floats(1e8, 3e11), more=st.floats(1.01, 5), days=st.floats(0.5, 60), longer=st.floats(1.01, 4)
)
def test_more_tokens_and_a_shorter_deadline_are_never_cheaper(
    tokens: float, more: float, days: float, longer: float
) -> None:
    hours = days * 24
    here = cost(small(tokens=tokens, deadline_hours=hours))
    with_more = cost(small(tokens=tokens * more, deadline_hours=hours))
    later = cost(small(tokens=tokens, deadline_hours=hours * longer))
    assert with_more is None or (here is not None and with_more >= here * (1 - 1e-9))
    assert here is None or (later is not None and later <= here * (1 + 1e-9))


def test_parts_add_up_and_every_way_to_pay_is_answered() -> None:
    plan = train(asked(small()))
    for one in (plan.choice, *plan.alternatives, *(tier.choice for tier in plan.tiers if tier.choice)):
        assert one.machines_usd == sum(leg.usd for leg in one.legs)
        assert one.total_usd == one.machines_usd + one.overheads_usd + one.storage_usd
        assert one.hours <= 720 * (1 + 1e-9)
    for one in (
        *plan.alternatives,
        *(tier.choice for tier in plan.tiers if tier.choice and not tier.why_not),
    ):
        assert one.total_usd >= plan.choice.total_usd
    assert all(tier.choice or tier.why_not for tier in plan.tiers)
    assert plan.estimate_usd < plan.choice.total_usd
    assert {"on demand", "spot", "reserved"} <= {tier.how for tier in plan.tiers if tier.choice}
    without = train(asked(small(), FEW.model_copy(update={"instance_types": ("g6e.12xlarge",)})))
    assert without.tiers[-1].how == "capacity block"
    assert without.tiers[-1].why_not == "no price: `optimiser refresh --capacity-blocks` asks for them"


def test_a_year_of_commitment_is_paid_for_two_weeks_of_work() -> None:
    plan = train(asked(small(tokens=1e10), Policy(instance_types=("g6e.12xlarge",), tiers=("reserved",))))
    (leg,) = plan.choice.legs
    assert plan.choice.hours < 720
    assert (leg.term_months, leg.billed_hours_per_instance) == (12, 8760)


def test_several_instances_on_spot_are_shown_and_not_chosen_unless_the_policy_says_so() -> None:
    policy = Policy(instance_types=("p5.48xlarge",), tiers=("spot", "on_demand"))
    wanted = small(tokens=3e11, deadline_hours=24 * 20)
    careful = train(asked(wanted, policy))
    bold = train(asked(wanted, policy.model_copy(update={"spot_for_groups": True})))
    assert careful.choice.how == "on demand"
    assert careful.choice.instances > 1
    assert any("a spare, which is not in the price" in line for line in caveats(careful))
    assert not any("a spare" in line for line in caveats(train(asked(small(), policy))))
    assert bold.choice.legs[0].tier == "spot"
    shown = next(tier for tier in careful.tiers if tier.choice and tier.choice.how == bold.choice.how)
    assert shown.choice == bold.choice
    assert "spot_for_groups" in shown.why_not
    with pytest.raises(NoFeasiblePlan, match="spot_for_groups"):
        train(asked(wanted, policy.model_copy(update={"tiers": ("spot",)})))


def test_quotas_are_kept_within_where_the_policy_says_so() -> None:
    key = QuotaKey("aws", "us-east-1", "P", False)
    config = CONFIG.__class__(
        **{**vars(CONFIG), "quotas": {key: GrantedQuota(key=key, amount=192, source="q")}}
    )
    policy = Policy(
        instance_types=("p5.48xlarge",), tiers=("on_demand",), regions=("us-east-1",), within_quotas=True
    )
    wanted = small(tokens=1e11, deadline_hours=200)
    assert (
        train(asked(wanted, policy.model_copy(update={"within_quotas": False}), config)).choice.instances > 1
    )
    with pytest.raises(NoFeasiblePlan, match="within_quotas"):
        train(asked(wanted, policy, config))
    plan = train(asked(small(tokens=1e10), policy, config))
    assert [(quota.needed, quota.granted) for quota in plan.quotas] == [(192, 192)]


@pytest.mark.parametrize(
    ("wanted", "policy", "said"),
    [
        (small(deadline_hours=0.01), FEW, "fastest cluster"),
        (
            small(model="llama-3.1-405b"),
            Policy(instance_types=("g6e.xlarge",), max_gpus=1),
            "too little memory",
        ),
        (small(precision="fp8"), Policy(instance_types=("p4d.24xlarge",)), "no fp8"),
        (small(), Policy(instance_types=("p5e.48xlarge",), tiers=("reserved",)), "allows no price"),
    ],
)
def test_what_cannot_be_trained_says_why(wanted: TrainingJob, policy: Policy, said: str) -> None:
    with pytest.raises(NoFeasiblePlan, match=said):
        train(asked(wanted, policy))


def test_a_refusal_names_the_limit_and_the_days_with_interruptions() -> None:
    policy = Policy(instance_types=("p5.48xlarge",), tiers=("on_demand",))
    (way, *_) = found_ways(asked(small(tokens=1e11), policy.model_copy(update={"max_gpus": 8}))).ways
    late = small(tokens=1e11, deadline_hours=way.hours - 0.1)  # less than what the start takes
    assert way.pace.hours * (1 + way.pace.relative_error) < late.deadline_hours
    with pytest.raises(NoFeasiblePlan) as refused:
        train(asked(late, policy.model_copy(update={"max_gpus": 8, "max_monthly_usd": 1e9})))
    assert f"1 × p5.48xlarge (on demand), takes {way.hours / 24:,.1f} days" in str(refused.value)
    assert str(refused.value).endswith("; without max_gpus = 8 (16 would do) it would end in time")


def test_sequences_beyond_the_models_context_are_refused_by_file(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(
        "{name: j, model: llama-3.1-8b, method: full, tokens: 1e9, sequence_tokens: 200000}", encoding="utf-8"
    )
    with pytest.raises(UsageError) as refused:
        train_request(path, CONFIG, BOOK, (), lambda _: NO_PAST, {"tokens": "1.0e+9"})
    said = "sequence_tokens = 200000: llama-3.1-8b supports 131,072 tokens"
    assert str(refused.value) == f"{path}: {said}"


def test_prices_past_their_age_are_not_planned_on() -> None:
    old = TrainRequest(job=small(), policy=FEW, config=CONFIG, book=BOOK, as_of=date(2029, 11, 21))
    with pytest.raises(StalePrices, match="older than 730 days"):
        train(old)


def test_the_same_question_has_the_same_answer() -> None:
    def answer() -> TrainPlan:
        return train(asked(small()))

    assert answer() == answer()


def test_energy_is_of_gpus_at_full_power_in_their_machines() -> None:
    plan = train(asked(small(), FEW.model_copy(update={"instance_types": ("p5.48xlarge",)})))
    # 8 × 700 W, 192 vCPUs at 2.12 W and 2,048 GiB at 0.421 W, and 22 % for fans, power supplies and network.
    watts = (8 * 700 + 192 * 2.12 + 2048 * 0.421) * 1.22
    assert plan.energy.pue == 1.15
    assert plan.energy.kwh == pytest.approx(watts / 1000 * plan.choice.gpu_hours / 8 * 1.15, rel=1e-6)
    assert plan.energy.tonnes_co2e == pytest.approx(plan.energy.kwh * plan.energy.gco2_per_kwh / 1e6)
    # carbon.yaml: an H100 and its part of the server, over 6 years of all hours and 3 years of half of them.
    made = yaml.safe_load((CONFIG.directories[0] / "carbon.yaml").read_text())["embodied"]
    gpu, server = made["gpus"]["H100"], made["server_kg_per_gpu"]
    low = (gpu["low"] + server["low"]) / (6 * 8760) * plan.choice.gpu_hours / 1000
    high = (gpu["high"] + server["high"]) / (3 * 8760 * 0.5) * plan.choice.gpu_hours / 1000
    assert plan.energy.embodied_tonnes_low == pytest.approx(low)
    assert plan.energy.embodied_tonnes_high == pytest.approx(high)


def test_a_grid_is_told_by_the_method_of_all_places_considered() -> None:
    # A state's figure where that place alone is asked for; a country's where the question is open, as `recommend` has.
    alone = train(asked(small(), FEW.model_copy(update={"regions": ("us-east-2",)}))).energy
    beside = train(asked(small(), FEW.model_copy(update={"regions": ("us-east-2", "eu-north-1")}))).energy
    assert (alone.method, beside.method) == ("US state total output, direct", "country average, lifecycle")
    wide = FEW.model_copy(update={"regions": ("us-east-2", "eu-north-1")})
    serving = Request(
        workload=load_workload(CONFIG.find_workload("code-llama-8b"), {}),
        policy=wide,
        config=CONFIG,
        book=BOOK,
        as_of=TODAY,
    )
    told = {row.gco2_per_kwh for row in recommend(serving).carbon}
    assert beside.gco2_per_kwh in told
