"""Estimates of a workload: of the splits of a machine the one that the plan's confidence asks for, explained alike."""

from datetime import date

from optimiser import Policy, load_config, load_workload
from optimiser.cli.why_question import why_of
from optimiser.estimating import estimates_for
from optimiser.performance.estimate_types import Estimate, Setup
from optimiser.planning.options import planned_rate_rps
from optimiser.prices.book import load_book
from optimiser.recommend import Request

DAY = date(2026, 11, 21)

# Two stages over PCIe are known to 40 %, two replicas of one GPU to 12.
ON = "Standard_NC48ads_A100_v4"


def test_a_machine_is_estimated_and_explained_in_the_split_that_its_plan_counts_most_on() -> None:
    config = load_config()
    workload = load_workload(config.find_workload("nightly-batch-qwen-32b"))
    kept: dict[float, Setup] = {}
    planned: dict[float, list[float]] = {}
    for confidence in (0.75, 0.99):
        policy = Policy(instance_types=(ON,), performance_confidence=confidence)
        (found,) = estimates_for(workload, config, policy)
        assert isinstance(found, Estimate)
        request = Request(
            workload=workload,
            config=config,
            policy=policy,
            book=load_book([], config.shapes, DAY, embedded=config.price_files),
            as_of=DAY,
        )
        why = why_of(request, ON)
        assert why.setup == found.setup
        kept[confidence] = found.setup
        planned[confidence] = [
            planned_rate_rps(found, Policy(performance_confidence=at)) for at in (0.75, 0.99)
        ]
    assert kept[0.75] != kept[0.99]
    assert planned[0.75][0] > planned[0.99][0]
    assert planned[0.99][1] > planned[0.75][1]
