"""Owned machines that serve nothing: each is named, with what leaves it out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from staged_plans import after, asked, entry, plan_of

from optimiser.recommend import recommend


def test_machines_that_save_nothing_make_no_stage(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, entry(after(90), 90), entry(after(10), 2), entry(after(30), 1))
    assert plan.while_owned is None
    said = [note for note in plan.notes if note.startswith("owned")]
    why = "the plan needs nothing more, none found with it costs less"
    assert said[-1] == f"owned and not used: 2 × p5.48xlarge in us-east-1 (until 2026-12-01): {why}"
    assert not any("planned without" in note for note in said)


def test_what_has_ended_before_the_plan_is_said_so(tmp_path: Path) -> None:
    plan = recommend(replace(asked(tmp_path, entry(after(-5), 2)), alone=True))
    said = "owned until 2026-11-16 and planned without: 2 × p5.48xlarge in us-east-1 ended before 2026-11-21"
    assert said in plan.notes


@pytest.mark.parametrize(
    ("entries", "changes", "why"),
    [
        ("g6.xlarge", {"instance_types": ["p5.48xlarge", "g6.xlarge"]}, "it does not serve the workload, "),
        ("p5.48xlarge", {"regions": ["us-east-2"]}, "excluded by regions"),
        ("g6.xlarge", {"gpus": ["H100"]}, "excluded by instance_types and gpus"),
        (
            "p5.48xlarge",
            {"providers": ["gcp"], "instance_types": None, "regions": None},
            "excluded by providers",
        ),
    ],
)
def test_what_cannot_serve_is_named_with_its_reason(
    tmp_path: Path, entries: str, changes: dict[str, Any], why: str
) -> None:
    both = (entry(after(10), 2, entries), entry(after(900), 1, entries))
    plan = plan_of(tmp_path, *both, **changes)
    assert plan.while_owned is None
    (said,) = [note for note in plan.notes if note.startswith("owned")]
    first, second = (f"{n} × {entries} in us-east-1 (until {after(d)})" for n, d in ((2, 10), (1, 900)))
    assert said.startswith(f"owned and not used: {first}, {second}: {why}")


def test_what_lasts_and_is_not_needed_is_named(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, entry(after(90), 90), entry(after(91), 90))
    (said,) = [note for note in plan.notes if note.startswith("owned")]
    assert said.endswith("the plan needs nothing more, none found with it costs less")
