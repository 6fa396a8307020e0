"""What to sign: instances, savings plans as money an hour, resource commitments as vCPUs, memory and GPUs.

A plan buys commitments machine by machine, each at what its machine is covered for all along. A provider sells some
otherwise: one savings plan covers machines of many types and regions, a resource commitment holds parts of machines.
Kinds and what each floats over: AWS Savings Plans User Guide ("Types of Savings Plans"), EC2 User Guide (Reserved
Instances have no size flexibility in families with GPUs), Azure savings plans for compute, Google Cloud
"Resource-based committed use discounts" (GPUs in one are attached to a reservation; flexible ones leave machines with
GPUs out).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from optimiser.planning.plan_bought import PlanAmount, PlanOffer, PlanOption, PlanPurchase, PlanSigning

SAVINGS_PLANS = ("compute_savings_plan", "savings_plan")


@dataclass(frozen=True)
class _Bought:
    """Instances of one commitment, the machine and the terms."""

    instances: int
    option: PlanOption
    offer: PlanOffer
    purchase: str


def signing_of(
    options: Iterable[PlanOption], offers: Iterable[PlanOffer], purchases: Iterable[PlanPurchase]
) -> tuple[PlanSigning, ...]:
    """One row per contract that commitments are signed as, those that share one together."""
    option, offer = {one.id: one for one in options}, {one.id: one for one in offers}
    together: dict[tuple[str, ...], list[_Bought]] = {}
    for one in purchases:
        if one.commitment is not None:
            made, terms = option[one.option], offer[one.offer]
            bought = _Bought(one.max_units * made.instances_per_unit, made, terms, one.id)
            key = (terms.provider, terms.kind, str(terms.term_months), terms.payment, terms.contract)
            together.setdefault((*key, *_scope(bought)), []).append(bought)
    return tuple(map(_signing, together.values()))


def _signing(bought: list[_Bought]) -> PlanSigning:
    terms = bought[0].offer
    return PlanSigning(
        provider=terms.provider,
        kind=terms.kind,
        term_months=terms.term_months,
        payment=terms.payment,
        contract=terms.contract,
        scope=" in ".join(part for part in _scope(bought[0]) if part),
        amounts=_AMOUNTS.get(terms.kind, _instances)(bought),
        purchases=tuple(one.purchase for one in bought),
    )


def _scope(bought: _Bought) -> tuple[str, str]:
    """Which machines and which region one contract may cover, "" for any."""
    option, kind = bought.option, bought.offer.kind
    if kind in SAVINGS_PLANS:
        return ("", "")
    if kind == "ec2_instance_savings_plan":
        return (option.instance_type.partition(".")[0], option.region)
    if kind == "committed_use":
        return (option.instance_type.partition("-")[0], option.region)
    return (option.instance_type, option.region)


def _instances(bought: list[_Bought]) -> tuple[PlanAmount, ...]:
    return (PlanAmount(amount=Decimal(sum(one.instances for one in bought)), unit="instance"),)


def _usd_per_hour(bought: list[_Bought]) -> tuple[PlanAmount, ...]:
    """The rate that each machine is covered at, all of them running."""
    return (
        PlanAmount(
            amount=sum((one.offer.usd_per_hour * one.instances for one in bought), Decimal(0)),
            unit="usd_per_hour",
        ),
    )


def _resources(bought: list[_Bought]) -> tuple[PlanAmount, ...]:
    parts: dict[str, Decimal] = {}
    for one in bought:
        made = one.option
        for unit, each in (
            ("vcpu", Decimal(made.vcpus_per_instance)),
            ("gib", Decimal(repr(made.memory_gib_per_instance))),
            (made.gpu, Decimal(made.gpus_per_instance)),
        ):
            parts[unit] = parts.get(unit, Decimal(0)) + each * one.instances
    return tuple(PlanAmount(amount=amount, unit=unit) for unit, amount in parts.items())


_AMOUNTS: Mapping[str, Callable[[list[_Bought]], tuple[PlanAmount, ...]]] = {
    "compute_savings_plan": _usd_per_hour,
    "ec2_instance_savings_plan": _usd_per_hour,
    "savings_plan": _usd_per_hour,
    "committed_use": _resources,
}
