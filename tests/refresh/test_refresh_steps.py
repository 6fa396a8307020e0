"""Large steps of prices in a real store of each kind: held until acknowledged, and added up over a week."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from refresh_doubles import (
    EAST,
    LATER,
    NIGHT,
    ON_DEMAND,
    SPOT,
    WEST,
    Clock,
    Cloud,
    usd_of,
)

from optimiser.refresh import RefreshReport, State
from providers.fetch import Scope

Run = Callable[..., RefreshReport]


def test_a_step_of_44_percent_is_held_until_acknowledged(
    run: Run, clouds: dict[str, Cloud], clock: Clock, dates: Any, stored: Any
) -> None:
    run()
    clock.pass_hours(24)
    clouds["aws"].change(EAST, "p5.48xlarge", "55.04")
    clouds["aws"].change(WEST, "p5.48xlarge", "55.04")
    held = run()
    assert held.exit_code == 4
    assert [one.scope for one in held.scopes(State.HELD)] == [EAST, WEST]
    assert "98.32 → 55.04 USD/h all in (-44.0 %)" in next(held.scopes(State.HELD)).reason
    assert (usd_of(stored(EAST), "p5.48xlarge"), dates()[EAST]) == ({Decimal("98.32")}, NIGHT)
    partly = run(acknowledge=("no_price_jump:aws/us-east-1/on_demand/p5.48xlarge@55.04",))
    assert (partly.exit_code, [one.scope for one in partly.scopes(State.HELD)]) == (4, [WEST])
    assert usd_of(stored(EAST), "p5.48xlarge") == {Decimal("55.04")}
    whole = run(acknowledge=("no_price_jump:aws/*/on_demand/p5.48xlarge@55.04",))
    assert (whole.exit_code, whole.warnings) == (0, ())
    assert usd_of(stored(WEST), "p5.48xlarge") == {Decimal("55.04")}
    assert run().exit_code == 0


def test_what_was_acknowledged_at_one_price_is_held_at_another(run: Run, clouds: dict[str, Cloud]) -> None:
    run(providers=("aws",))
    clouds["aws"].change(EAST, "p5.48xlarge", "0.98")
    looked_at = "no_price_jump:aws/us-east-1/on_demand/p5.48xlarge@55.04"
    report = run(providers=("aws",), acknowledge=(looked_at,))
    assert [one.scope for one in report.scopes(State.HELD)] == [EAST]
    (warning,) = report.warnings
    assert "matches no finding" in warning
    assert "held is 'no_price_jump:aws/us-east-1/on_demand/p5.48xlarge@0.98'" in warning


def test_a_price_that_creeps_away_in_small_steps_is_held(
    run: Run, clouds: dict[str, Cloud], clock: Clock, stored: Any
) -> None:
    run(providers=("aws",))
    for usd, code in (("80", 0), ("70", 0), ("60", 4)):
        clock.pass_hours(24 * 3)
        clouds["aws"].change(EAST, "p5.48xlarge", usd)
        report = run(providers=("aws",))
        assert report.exit_code == code, usd
    assert "98.32 → 60 USD/h all in (-39.0 % in a week)" in next(report.scopes(State.HELD)).reason
    assert usd_of(stored(EAST), "p5.48xlarge") == {Decimal(70)}
    clock.pass_hours(24 * 7)
    assert run(providers=("aws",)).exit_code == 0


def test_a_store_of_a_few_nights_adds_up_what_it_has(
    run: Run, clouds: dict[str, Cloud], clock: Clock
) -> None:
    codes = []
    for usd in ("98.32", "80", "65"):
        clouds["aws"].change(EAST, "p5.48xlarge", usd)
        codes.append(run(providers=("aws",)).exit_code)
        clock.pass_hours(24)
    assert codes == [0, 0, 4]


def test_after_an_acknowledged_step_the_week_begins_anew(
    run: Run, clouds: dict[str, Cloud], clock: Clock
) -> None:
    run(providers=("aws",))
    codes = []
    for usd, looked_at in (("55.04", "@55.04"), ("55.04", ""), ("54", ""), ("70", ""), ("89", "")):
        clock.pass_hours(24)
        clouds["aws"].change(EAST, "p5.48xlarge", usd)
        name = f"no_price_jump:aws/us-east-1/on_demand/p5.48xlarge{looked_at}"
        codes.append(run(providers=("aws",), acknowledge=(name,) if looked_at else ()).exit_code)
    # 54 → 70 is 29.6 %, 54 → 89 64.8 % though 70 → 89 is 27 %.
    assert codes == [0, 0, 0, 0, 4]


@pytest.mark.parametrize(("usd", "code"), [("983.2", 4), ("9.832", 4), ("99", 0)])
def test_what_was_gone_for_a_night_comes_back_at_about_its_price_or_is_held(
    run: Run, clouds: dict[str, Cloud], clock: Clock, usd: str, code: int
) -> None:
    whole = clouds["aws"].offers[EAST]
    run(providers=("aws",))
    clock.pass_hours(24)
    clouds["aws"].drop(EAST, "p5.48xlarge")
    assert run(providers=("aws",)).exit_code == 0
    clock.pass_hours(24)
    clouds["aws"].offers[EAST] = whole
    clouds["aws"].change(EAST, "p5.48xlarge", usd)
    assert run(providers=("aws",)).exit_code == code


def test_half_the_offers_vanishing_holds_what_lost_some(
    run: Run, clouds: dict[str, Cloud], clock: Clock, dates: Any, stored: Any
) -> None:
    run(providers=("gcp",))
    clock.pass_hours(24)
    clouds["gcp"].drop(Scope("gcp", "us-central1", ON_DEMAND), "p5.48xlarge", "g5.xlarge", "g6.xlarge")
    report = run(providers=("gcp",))
    assert (report.exit_code, [str(one.scope) for one in report.scopes(State.HELD)]) == (
        4,
        ["gcp/us-central1/on_demand"],
    )
    assert len(stored(Scope("gcp", "us-central1", ON_DEMAND)).offers) == 4
    assert dates()[Scope("gcp", "us-central1", SPOT)] == LATER
