"""Prices past their age limit are left out of a plan, and named."""

from datetime import date, timedelta

import pandas as pd
from planning_offers import price_table, spot_row

from optimiser.planning.price_basis import within_age

SEEN = date(2026, 1, 1)


def tiers(found: pd.DataFrame) -> set[str]:
    return set(found["tier"])


def of_a_file(offers: pd.DataFrame) -> pd.DataFrame:
    return offers.assign(observed_on=pd.Timestamp(SEEN), observed_at=pd.NaT, too_old=False)


def test_a_tier_past_its_limit_is_left_out_and_named() -> None:
    offers = of_a_file(price_table(spot_row(2.0)))
    on_the_day, none = within_age(offers, {"spot": 30, "on_demand": None}, SEEN + timedelta(days=30))
    assert tiers(on_the_day) == {"spot"}
    assert none == ()
    a_day_later, notes = within_age(offers, {"spot": 30, "on_demand": None}, SEEN + timedelta(days=31))
    assert a_day_later.empty
    assert notes == ("older than 30 days and left out: 1 spot price(s)",)


def test_prices_of_the_store_go_by_its_own_limit_alone() -> None:
    fetched = of_a_file(price_table(spot_row(2.0))).assign(observed_at=pd.Timestamp(SEEN))
    years_later = SEEN + timedelta(days=999)
    kept, none = within_age(fetched, {"spot": 30}, years_later)
    assert (len(kept), none) == (1, ())
    gone, notes = within_age(fetched.assign(too_old=True), {"spot": None}, SEEN)
    assert gone.empty
    assert notes == ("not fetched for longer than the store's limit and left out: 1 spot price(s)",)
