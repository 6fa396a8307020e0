"""The schema of a plan accepts what is rendered, refuses what is mutilated; the reader gives back the very plan."""

import dataclasses
import json
from typing import Any

import jsonschema
import pytest
from hand_made_parts import option
from hand_made_plans import long_plan, plan

from optimiser.errors import UsageError
from optimiser.planning.plan import Plan
from optimiser.planning.plan_schema import plan_from_json, plan_schema
from optimiser.report import renderer

VALIDATOR = jsonschema.Draft202012Validator(plan_schema())


def rendered(made: Plan | None = None) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(renderer("json")(made or plan()))
    return content


def faults(content: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(content)]


def test_the_schema_is_a_schema_and_describes_every_part() -> None:
    schema = plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["description"]
    assert {name for name, part in schema["$defs"].items() if not part["description"]} == set()
    assert len(schema["$defs"]) == 35


@pytest.mark.parametrize("made", [plan(), long_plan(24), plan(notes=(), purchases=(), counts=(), rules=())])
def test_what_is_rendered_is_valid(made: Plan) -> None:
    assert faults(rendered(made)) == []


ADDED_SINCE_1_0 = {
    *("providers_left_out", "sensitivity", "signing", "charges", "carbon", "sites"),
    *("energy", "footprint", "while_owned"),
}


@pytest.mark.parametrize(
    "field", [field.name for field in dataclasses.fields(Plan) if field.name not in ADDED_SINCE_1_0]
)
def test_a_plan_without_one_of_its_fields_is_refused(field: str) -> None:
    content = rendered()
    del content[field]
    assert faults(content) == [f"{field!r} is a required property"]
    with pytest.raises(UsageError, match=field):
        plan_from_json(json.dumps(content))


def test_a_plan_of_schema_1_0_is_read() -> None:
    content = {name: part for name, part in rendered().items() if name not in ADDED_SINCE_1_0}
    assert plan_from_json(json.dumps(content | {"schema_version": "1.0"})).providers_left_out == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("totals", "monthly_usd"), 82005.28),
        (("totals", "monthly_usd"), "a lot"),
        (("totals", "monthly_usd"), "NaN"),
        (("totals", "mean_utilisation"), "0.4"),
        (("purchases", 0, "min_units"), 2.5),
        (("purchases", 0, "commitment", "contract_value_usd"), None),
        (("options", 0, "low_confidence"), "no"),
        (("options", 0, "bucket_rates_rps"), 10.0),
        (("periods", 0, "start"), "Monday"),
        (("planned_on",), "June"),
        (("policy",), []),
        (("deterministic",), None),
        (("demand", 1), "none"),
    ],
)
def test_a_wrong_type_is_refused_by_schema_and_reader(path: tuple[Any, ...], value: Any) -> None:
    content = rendered()
    part = content
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    assert len(faults(content)) == 1
    with pytest.raises(UsageError) as caught:
        plan_from_json(json.dumps(content), "plan.json")
    assert str(caught.value).startswith("plan.json: ")
    assert str(path[0]) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["2.0", "0.9", "10.0", "one", ""])
def test_another_major_is_refused(version: str) -> None:
    content = rendered() | {"schema_version": version}
    assert faults(content)
    with pytest.raises(UsageError, match="schema_version"):
        plan_from_json(json.dumps(content))


def test_additions_within_the_major_are_passed_over() -> None:
    content = rendered() | {"schema_version": "1.7", "weather": {"wind": 3}}
    content["totals"]["wind"] = 3
    assert faults(content) == []
    assert plan_from_json(json.dumps(content)).totals == plan().totals


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"schema_version": 1}'])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^plan: is n"):
        plan_from_json(text)


@pytest.mark.parametrize("made", [plan(), long_plan(200), plan(options=(option(notes=("a", "b")),))])
def test_a_plan_survives_the_way_to_json_and_back(made: Plan) -> None:
    assert plan_from_json(renderer("json")(made)) == made
