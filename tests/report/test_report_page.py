"""The report as a page: its width whatever it says, colour, and every field of a plan read."""

import re
from dataclasses import fields, replace
from decimal import Decimal

from hand_made_parts import FOOTPRINT, aged, alternative, option, rule
from hand_made_plans import OFFERS, PURCHASES, plan
from hypothesis import given
from hypothesis import strategies as st
from printed_tables import table
from rich.cells import cell_len

from optimiser.planning.plan import Plan
from optimiser.report.text_layout import WIDTH

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


names = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters="\x85"), min_size=1, max_size=140
)
money = st.decimals(Decimal(0), Decimal(10) ** 13, places=4)


@given(
    name=names, kind=names, amount=money, note=names, rate=st.floats(1e-9, 1e12), ages=st.integers(0, 4000)
)
def test_no_line_is_wider_than_the_page(
    name: str, kind: str, amount: Decimal, note: str, rate: float, ages: int
) -> None:
    one = option(instance_type=kind, gpu=name, region=note, estimated_rps=rate, rate_rps=rate, notes=(note,))
    made = plan(
        services=(replace(plan().services[0], name=name),),
        options=(one,),
        offers=tuple(replace(offer, zone=kind, planned_usd_per_hour=amount + 1) for offer in OFFERS),
        purchases=tuple(replace(bought, monthly_usd=amount, max_units=10**9) for bought in PURCHASES),
        totals=replace(plan().totals, total_monthly_usd=amount, usd_per_million_tokens=amount),
        baselines=(alternative(name, str(amount)),),
        rules=(rule(name, limit=note, cost_monthly_usd=amount),),
        price_dates=aged(on_demand=ages, spot=ages),
        tiers_without_prices=(note,),
        notes=(note * 3,),
    )
    for line in table(made, explain=True).splitlines():
        assert cell_len(line) <= WIDTH == 100


def test_there_are_no_escapes_unless_colour_is_wanted_and_colour_adds_nothing_else() -> None:
    plain, coloured = table(plan(), explain=True), table(plan(), explain=True, colour=True)
    assert "\x1b" not in plain
    assert ESCAPE.search(coloured)
    assert ESCAPE.sub("", coloured) == plain


def test_the_report_reads_every_field_of_a_plan() -> None:
    """A field that no section needs is one that nobody would miss; these few are for other programs."""
    programs_only = {"schema_version", "tool_version", "routing"}

    class Seen:
        def __init__(self, made: Plan) -> None:
            object.__setattr__(self, "made", made)
            object.__setattr__(self, "names", set())

        def __getattr__(self, name: str) -> object:
            self.names.add(name)
            return getattr(self.made, name)

    seen = Seen(plan(footprint=FOOTPRINT))
    table(seen, explain=True)  # type: ignore[arg-type]
    assert {field.name for field in fields(Plan)} - seen.names == programs_only
