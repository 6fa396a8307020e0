"""What a plan says is to be signed covers its commitments and no more."""

from __future__ import annotations

from decimal import Decimal

from optimiser.planning.rules.view import PlanView

CENT = Decimal("0.01")


def verify_signing(view: PlanView) -> list[str]:
    """Each commitment is in one contract, and a contract's amounts are those of its commitments.

    USD per hour and instances are recomputed from units, offers and options; of a resource commitment its GPUs.
    """
    signing = view.plan["signing"]
    listed = [name for row in signing for name in row["purchases"]]
    committed = sorted(name for name in view.used() if view.how(name) == "commitment")
    if sorted(listed) != committed:
        return [f"signing: {sorted(listed)} are signed, {committed} are commitments"]
    faults = []
    for row in signing:
        usd, instances, gpus = Decimal(0), 0, 0
        for name in row["purchases"]:
            option, count = view.option_of(name), max(view.units[name])
            count *= option["instances_per_unit"]
            instances += count
            gpus += count * option["gpus_per_instance"]
            usd += count * Decimal(view.offer_of(name)["usd_per_hour"])
        stated = {amount["unit"]: Decimal(amount["amount"]) for amount in row["amounts"]}
        right = {"instance": Decimal(instances), "usd_per_hour": usd}
        for unit, amount in stated.items():
            if unit not in ("vcpu", "gib") and abs(amount - right.get(unit, Decimal(gpus))) > CENT:
                faults.append(f"signing: {amount} {unit} of {row['kind']}, its commitments come to another")
    return faults
