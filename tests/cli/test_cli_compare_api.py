"""`compare-api`: what it answers and what it refuses."""

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from optimiser.costing import api_break_even
from optimiser.errors import OptimiserError
from optimiser.planning.plan import Plan
from optimiser.recommend import Prepared, Request, recommend
from optimiser.workload.volume import mean_rps

SMALL = ("--region", "us-east-2", "--set", "tiers=[on_demand]", "--as-of", "2026-11-21")

Run = Callable[..., Any]
Fails = Callable[..., str]


def test_the_fleet_stands_beside_every_host(run: Run) -> None:
    ran = run("compare-api", "code-llama-8b", "--format", "json", "--instance-type", "p5.48xlarge", *SMALL)
    assert (ran.code, ran.err) == (0, "")
    found = json.loads(ran.out)
    assert found["prices_of"].startswith("genai-prices ")
    assert found["model"] == "llama-3.1-8b"
    assert len(found["hosts"]) > 5
    spread = [Decimal(usd) for usd in found["api_monthly_usd"].values()]
    assert spread == sorted(spread)
    against = [one["against"] for one in found["break_even"]]
    own_hosts = [one["host"] for one in found["hosts"] if not one["resells"]]
    assert set(own_hosts) == {one["host"] for one in found["hosts"]} - {"openrouter"}
    assert against == ["the median host", f"the cheapest, {own_hosts[0]}"]
    own = [
        one for one in found["volumes"] if one["requests_per_day"] == pytest.approx(found["requests_per_day"])
    ]
    assert [one["self_hosted_monthly_usd"] for one in own] == [found["self_hosted_monthly_usd"]]
    # Each volume has what its own plan rests on; the whole has the widest and the oldest of them.
    planned = [one for one in found["volumes"] if one["self_hosted_monthly_usd"] is not None]
    assert len(planned) > 2
    errors = [one["estimate_relative_error"] for one in planned]
    assert found["estimate_relative_error"] == max(errors)
    alone = run("recommend", "code-llama-8b", "--format", "json", "--instance-type", "p5.48xlarge", *SMALL)
    assert own[0]["estimate_relative_error"] == json.loads(alone.out)["estimate_relative_error"]
    seen = [
        one["observed_on"] for row in planned for one in row["oldest_prices"] if one["tier"] == "on_demand"
    ]
    assert len(seen) == len(planned)
    (oldest,) = found["oldest_prices"]
    assert oldest["observed_on"] == min(seen)


def test_a_volume_that_cannot_be_planned_is_left_out_and_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("compare-api", "code-llama-8b", "--format", "json", "--instance-type", "p5.48xlarge", *SMALL)
    whole = json.loads(run(*asked).out)
    most = max(one["requests_per_day"] for one in whole["volumes"])

    def faulty(request: Request, known: Prepared | None = None) -> Plan:
        if mean_rps(request.workload) * 86_400 > most * 0.99:
            raise OptimiserError("internal error, no plan is given: so it is")
        return recommend(request, known)

    monkeypatch.setattr(api_break_even, "recommend", faulty)
    ran = run(*asked)
    found = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert found["hosts"] == whole["hosts"]
    assert found["volumes"][:-1] == whole["volumes"][:-1]
    assert found["volumes"][-1]["requests_per_day"] == pytest.approx(most)
    assert found["volumes"][-1]["self_hosted_monthly_usd"] is None
    why = "have no plan and were left out: internal error, no plan is given: so it is"
    assert found["notes"] == [f"{most:,.0f} requests a day {why}"]
    assert f"{most:,.0f} requests a day" in " ".join(run(*asked[:2], *asked[4:]).out.split())


def test_a_model_without_an_api_has_no_comparison(fails: Fails) -> None:
    said = fails(3, "compare-api", "nightly-batch-qwen-32b", *SMALL)
    assert "no token API is known for qwen2.5-32b: add its ids to api_models.yaml" in said


def test_a_model_that_no_host_prices_says_so(fails: Fails, tmp_path: Path) -> None:
    (tmp_path / "api_models.yaml").write_text("models: {llama-3.1-8b: {ids: 'nobody-has-this'}}", "utf-8")
    said = fails(3, "compare-api", "code-llama-8b", "--config", str(tmp_path), *SMALL)
    assert "no host of genai-prices" in said
    assert "llama-3.1-8b" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models: {m: {ids: '('}}", "m: ids = '(': must be a regular expression"),
        ("models: {m: {}}", "m: missing field ids"),
        ("model: {}", "unknown field 'model': did you mean models?"),
        ("reviewed: {library: x}", "reviewed: missing field checked"),
    ],
)
def test_models_of_apis_that_cannot_be_read_are_named(
    fails: Fails, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "api_models.yaml").write_text(text, "utf-8")
    assert said in fails(2, "compare-api", "code-llama-8b", "--config", str(tmp_path), *SMALL)


def test_without_the_library_it_says_how_to_get_it(fails: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    said = fails(2, "compare-api", "code-llama-8b", *SMALL)
    assert "compare-api needs genai-prices: pip install 'cloud-pricing-optimiser[api]'" in said


def test_another_format_is_refused(fails: Fails) -> None:
    assert "--format" in fails(2, "compare-api", "code-llama-8b", "--format", "markdown", *SMALL)
