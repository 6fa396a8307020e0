"""What is to be signed that is not sold by the instance, as sentences below the fleet."""

from __future__ import annotations

from decimal import Decimal

from hand_made_plans import plan
from printed_tables import section

from optimiser.planning.plan_bought import PlanAmount, PlanSigning


def row(kind: str, scope: str, *amounts: tuple[str, str]) -> PlanSigning:
    return PlanSigning(
        provider="gcp" if kind == "committed_use" else "aws",
        kind=kind,
        term_months=12,
        payment="no_upfront",
        contract="",
        scope=scope,
        amounts=tuple(PlanAmount(amount=Decimal(amount), unit=unit) for amount, unit in amounts),
        purchases=(),
    )


def fleet(*rows: PlanSigning) -> str:
    return " ".join(" ".join(section(plan(signing=rows), "Fleet")).split())


def test_a_savings_plan_is_said_in_money_an_hour() -> None:
    text = fleet(row("compute_savings_plan", "", ("61.5", "usd_per_hour")))
    assert (
        "To sign: compute savings plan of 12 months, no upfront: $61.50 an hour, for any machine and region of AWS."
        in text
    )


def test_a_resource_commitment_is_said_in_parts() -> None:
    parts = (("1664", "vcpu"), ("14976.0", "gib"), ("64", "H100"))
    text = fleet(row("committed_use", "a3 in us-east4", *parts))
    assert "1,664 vCPU, 14,976 GiB, 64 × H100, for a3 in us-east4. Attach its GPUs to a reservation." in text


def test_how_much_of_the_budget_for_commitments_is_used() -> None:
    free = plan()
    within = plan(policy={**free.policy, "max_committed_monthly_usd": 100_000.0})
    signed = sum(one.monthly_usd for one in free.purchases if one.how == "commitment")
    said = f"Commitments come to ${signed:,.0f} of the $100,000 a month that may be signed."
    assert said in " ".join(" ".join(section(within, "Fleet")).split())
    assert "may be signed" not in fleet()


def test_instances_stand_in_the_fleet_already() -> None:
    assert "To sign" not in fleet(row("reserved_instance", "p5.48xlarge in us-east-1", ("2", "instance")))
