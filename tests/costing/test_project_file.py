"""A project file that is wrong is refused with file, field, value and what would be right."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from projects import FIVE_LINES, project_of, written

from optimiser.config import load_config
from optimiser.costing.project.read import load_project
from optimiser.costing.project.schema import SECTIONS
from optimiser.errors import UsageError

CLOUD, OWNED = {"usd_per_gpu_hour": 2}, {"owned": {"kw_per_gpu": 1, "usd_per_kwh": 0.1, "pue": 1.2}}
GROWING = {"growth_per_month": 3}

WRONG: list[tuple[dict[str, Any], str]] = [
    (project_of(months=0), "months = 0: must be at least 1"),
    (project_of(months=24.5), "months = 24.5: must be a whole number"),
    (project_of(months=True), "months = true"),
    (
        project_of(start="2026-13"),
        "start = '2026-13': must be a year and a month from 01 to 12, without a day (the first month, such as 2026-12)",
    ),
    (project_of(start=date(2026, 12, 5)), "start = 2026-12-05: must be a year and a month"),
    (FIVE_LINES | {"start": None}, "start = null: must be a year and a month"),
    (project_of(name="two\nlines"), "must be one line without control characters"),
    (project_of(currency="EUR"), "currency = 'EUR': must be 'USD'"),
    (project_of(name=None), "name is missing"),
    (project_of(trainig={}), "trainig = {}: no such field; did you mean training?"),
    (
        project_of(data={"licensing_us": 1}),
        "data.licensing_us = 1: no such field; did you mean licensing_usd",
    ),
    (project_of(data={"licensing_usd": -5}), "data.licensing_usd = -5: must be a number at least 0"),
    (project_of(data={"licensing_usd": "much"}), "data.licensing_usd = 'much': must be a number at least 0"),
    (project_of(data={"licensing_usd": "1e6"}), "1.0e+6"),
    (project_of(data={"licensing_usd": float("nan")}), "data.licensing_usd = nan"),
    (
        project_of(data={"licensing_usd": {"low": 3, "expected": 2, "high": 4}}),
        "data.licensing_usd = {low: 3, expected: 2, high: 4}: must be low ≤ expected ≤ high",
    ),
    (project_of(data={"licensing_usd": {"low": 3, "hgih": 4}}), "'hgih': did you mean high?"),
    (project_of(data={"licensing_usd": {"low": 3, "high": 4}}), "expected is missing"),
    (project_of(data={"tb": None}), "data.tb is missing: it goes with data.collection_usd_per_tb"),
    (project_of(data={"items": None}), "data.items is missing: it goes with data.labelling_usd_per_item"),
    (project_of(data={"month": 13}), "data.month = 13: within the horizon: at most months = 12"),
    (project_of(training=OWNED), "training.usd_per_gpu_hour = 3.0: owned hardware pays for energy"),
    (project_of(training={"usd_per_gpu_hour": None}), "training: what the GPU-hours cost is missing"),
    (
        project_of(training={"gpu_hours": None}),
        "training: none is given: exactly one of job, gpu_hours, gpus with hours",
    ),
    (project_of(training={"gpus": 8}), "training.hours is missing: it goes with training.gpus"),
    (project_of(training={"months": 11}), "training.months = 11: ends after the horizon"),
    (project_of(maintenance={"retraining": {"gpu_hours": 5, **CLOUD, **OWNED}}), "never both"),
    (
        project_of(inference={"workload": "chat-llama-70b"}),
        "workload and usd_per_query are given: exactly one",
    ),
    (
        project_of(inference={"usd_per_query": None}),
        "inference: none is given: exactly one of workload, usd_per_query",
    ),
    (project_of(inference={"policy": {"regions": ["a"]}}), "usd_per_query makes none"),
    (project_of(inference={"users": 0}), "inference.users = 0: must be a number above 0"),
    (project_of(inference={"users": 1.0e15}), "must be a number above 0 and at most 1,000,000,000,000, or"),
    (project_of(months=1e300), "months = 1e+300: must be at most 120 (the horizon in months, 1 to 120)"),
    (
        project_of(inference=GROWING),
        "inference.growth_per_month = 3.0: over 12 months that is more than 1,000,000",
    ),
    (project_of(inference={"growth_per_month": -1}), "must be a number above -1 and at most 10"),
    (project_of(engineering=[{"people": 2}]), "engineering[0].role is missing"),
    (
        project_of(engineering=[{"role": "r", "people": 2, "salary_usd_per_year": 1, "overhead": 0.3}]),
        "engineering[0].overhead = 0.3: must be a number at least 1 and at most 10",
    ),
    ({"name": "p", "months": 3, "start": "2026-11", "data": {"tb": 3}}, "data: nothing in it costs anything"),
    (
        {"name": "p", "months": 3, "start": "2026-11", "maintenance": {"cycles_per_year": 3}},
        "maintenance: nothing in it costs anything: give one or more of retraining",
    ),
    (project_of(data={"licensing_usd": 1e13}), "data.licensing_usd = 10000000000000.0"),
    ({"name": "empty", "months": 3, "start": "2026-11"}, "there is no line to add up"),
]


@pytest.mark.parametrize(("project", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
def test_what_is_wrong_is_named(project: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = written(tmp_path, project)
    with pytest.raises(UsageError) as error:
        load_project(path)
    assert str(error.value).startswith(f"{path}: ")
    assert said in str(error.value)


def test_a_file_that_holds_no_fields_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match="holds list, not fields"):
        load_project(path)


def test_the_readme_of_config_names_every_field_of_a_project() -> None:
    text = (load_config().directories[0] / "README.md").read_text(encoding="utf-8")
    section = text.split("\n## Projects", 1)[1].split("\n## ", 1)[0]
    named = {word for quoted in re.findall(r"`([^`]+)`", section) for word in re.findall(r"\w+", quoted)}
    fields = {name for model in SECTIONS.values() for name in model.model_fields}
    assert fields <= named | {"data", "training", "inference", "maintenance"}


def test_a_shipped_project_has_all_five_lines_and_marks_what_is_assumed() -> None:
    folder = load_config().directories[0] / "projects"
    assert list(folder.glob("*.yaml"))
    for path in folder.glob("*.yaml"):
        project = load_project(path)
        assert {
            "data",
            "training",
            "inference",
            "maintenance",
            "engineering",
        } <= project.fields.model_fields_set
        assert "assumption: replace with yours" in path.read_text(encoding="utf-8")
