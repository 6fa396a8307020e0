"""The difference of two sets of prices as people and programs read it; goldens worked by hand."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from optimiser.prices.compare import compare
from optimiser.prices.refreshed import ScopePrices
from optimiser.report.price_diff import MOST_ROWS, render_diff
from providers.fetch import Scope
from providers.offer import Missing, Offer, Tier

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EAST, WEST = Scope("aws", "us-east-1", Tier.ON_DEMAND), Scope("aws", "us-west-2", Tier.ON_DEMAND)


def offer(usd: str, instance_type: str = "p5.48xlarge", **fields: Any) -> Offer:
    return Offer(
        **{
            "provider": "aws",
            "region": "us-east-1",
            "region_kind": "region",
            "zone": "",
            "instance_type": instance_type,
            "tier": Tier.ON_DEMAND,
            "usd_per_hour": Decimal(usd),
            "observed_on": date(2026, 11, 20),
            "source": "list",
            **fields,
        }
    )


def in_scope(scope: Scope, *offers: Offer, missing: tuple[Missing, ...] = ()) -> dict[Scope, ScopePrices]:
    return {scope: ScopePrices(scope=scope, observed_at=NOW, offers=offers, missing=missing)}


DELISTED = Missing(
    provider="aws",
    region="us-east-1",
    region_kind="region",
    zone="",
    instance_type="p4d.24xlarge",
    tier=Tier.ON_DEMAND,
    reason="no longer sold here",
    observed_on=date(2026, 11, 20),
    source="list",
)
BEFORE = in_scope(EAST, offer("50"), offer("32.77", "p4d.24xlarge"), offer("1", "g6.xlarge"), offer("2", "x"))
AFTER = in_scope(
    EAST, offer("40"), offer("98.5", "p6.48xlarge"), offer("1", "g6.xlarge"), missing=(DELISTED,)
)


def test_a_difference_is_counted_first_and_told_by_kind() -> None:
    west = {WEST: ScopePrices(scope=WEST, observed_at=NOW, offers=(), missing=())}
    text = render_diff("table", "snapshot 1", "snapshot 2", compare(BEFORE | west, AFTER))
    assert text == (
        "1 changed, 1 no longer sold, 1 gone without a reason, 1 new, 1 price the same in 1 region and tier:\n"
        "snapshot 1 against snapshot 2\n"
        "\n"
        "Changed\n"
        "instance type  where          paid       was $/h all in  is $/h all in  change\n"
        "p5.48xlarge    AWS us-east-1  on demand           50.00          40.00   −20 %\n"
        "\n"
        "No longer sold\n"
        "instance type  where          paid       was $/h all in  reason\n"
        "p4d.24xlarge   AWS us-east-1  on demand           32.77  no longer sold here\n"
        "\n"
        "Gone without a reason\n"
        "instance type  where          paid       was $/h all in\n"
        "x              AWS us-east-1  on demand            2.00\n"
        "\n"
        "New\n"
        "instance type  where          paid       is $/h all in\n"
        "p6.48xlarge    AWS us-east-1  on demand          98.50\n"
        "\n"
        "Not compared\n"
        "Only in snapshot 1: AWS on demand us-west-2.\n"
    )


def test_no_change_is_said_plainly() -> None:
    assert render_diff("table", "A", "B", compare(BEFORE, BEFORE)) == (
        "No change, 4 prices the same in 1 region and tier: A against B\n"
    )


def test_two_sides_with_nothing_in_common_are_not_called_the_same() -> None:
    other = {WEST: ScopePrices(scope=WEST, observed_at=NOW, offers=(), missing=())}
    assert render_diff("table", "A", "B", compare(BEFORE, other)).startswith("Nothing to compare")


def test_what_is_paid_up_front_is_told_where_it_moved() -> None:
    terms = {
        "tier": Tier.RESERVED,
        "kind": "reserved_instance",
        "term_months": 12,
        "payment": "partial_upfront",
    }
    scope = Scope("aws", "us-east-1", Tier.RESERVED)
    # 8,760 $ up front is 1 $/h over a year: 3 + 1 against 3 + 2.
    before = in_scope(scope, offer("3", upfront_usd=Decimal(8760), **terms))
    after = in_scope(scope, offer("3", upfront_usd=Decimal(17520), **terms))
    text = render_diff("table", "A", "B", compare(before, after))
    line, detail = text.splitlines()[-2:]
    assert line.split()[-4:] == ["4.00", "5.00", "+25", "%"]
    assert "reserved 12 m partial upfront" in line
    assert detail.strip() == "up front $8,760, now $17,520"


def test_json_and_csv_of_a_difference_are_exact() -> None:
    found = compare(BEFORE, in_scope(EAST, offer("50.000000001")))
    whole = json.loads(render_diff("json", "A", "B", found))
    assert whole["counts"] == {"changed": 1, "missing": 0, "gone": 3, "new": 0}
    assert (whole["unchanged"], whole["scopes_compared"], whole["only_in_a"]) == (0, 1, [])
    rows = list(csv.DictReader(io.StringIO(render_diff("csv", "A", "B", found))))
    assert len(rows) == len(whole["changes"]) == 4
    first = rows[0]
    assert (first["old_usd_per_hour"], first["new_usd_per_hour"]) == ("50", "50.000000001")
    assert (first["change"], first["change_percent"]) == ("changed", "0.0000")
    assert (rows[1]["change"], rows[1]["new_usd_per_hour"], rows[1]["reason"]) == ("gone", "", "")


def test_a_difference_of_thousands_is_cut_in_the_table_alone() -> None:
    before = in_scope(EAST, *(offer("10", f"type-{number}") for number in range(2000)))
    after = in_scope(EAST, *(offer("11", f"type-{number}") for number in range(2000)))
    found = compare(before, after)
    text = render_diff("table", "A", "B", found)
    assert f"… and {2000 - MOST_ROWS:,} on demand more" in text
    assert len(text.splitlines()) < 40
    assert len(render_diff("csv", "A", "B", found).splitlines()) == 2001
