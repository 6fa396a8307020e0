"""A provider in PROVIDERS is a whole one: shapes, fake, fixtures, tests, an extra, the functions refresh calls."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace

import pytest
from completeness import lacking
from harnesses import HARNESSES
from live_clouds import LIVE

from providers import PROVIDERS, load

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = "cloud-pricing-optimiser"
every_provider = pytest.mark.parametrize("name", sorted(PROVIDERS))


@every_provider
def test_a_provider_has_shapes_fake_fixtures_tests_and_extra(name: str) -> None:
    assert list(lacking(name, ROOT, HARNESSES, LIVE, LIBRARY)) == []


def test_a_provider_that_lacks_everything_is_told_what_to_add(tmp_path: Path) -> None:
    extras = '[project.optional-dependencies]\naws = ["boto3"]\nall = ["cloud-pricing-optimiser[aws]"]\n'
    (tmp_path / "pyproject.toml").write_text(extras, encoding="utf-8")
    told = list(lacking("nowhere", tmp_path, {}, {}, LIBRARY))
    assert len(told) == 7
    for needle in (
        "config/instances/nowhere.yaml",
        "harnesses.py",
        "live_clouds.py",
        "fixtures",
        "test_nowhere_",
    ):
        assert any(needle in line for line in told), needle
    assert sum("extra" in line for line in told) == 2
    assert all(line.startswith("nowhere: ") for line in told)


def test_a_price_file_that_is_promised_or_not_is_checked(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project.optional-dependencies]\n", encoding="utf-8")
    (tmp_path / "config/prices").mkdir(parents=True)
    promised = {"here": SimpleNamespace(embedded=True), "there": SimpleNamespace(embedded=False)}
    (tmp_path / "config/prices/there.csv").write_text("", encoding="utf-8")
    for name, told in (("here", "there is none"), ("there", "there is one")):
        assert any(told in line for line in lacking(name, tmp_path, promised, promised, LIBRARY))


def test_no_harness_is_left_over() -> None:
    assert set(HARNESSES) <= set(PROVIDERS)


@every_provider
def test_the_functions_take_the_arguments_that_refresh_gives_them(name: str) -> None:
    adapter = load(name)
    assert not inspect.signature(adapter.open_client).parameters
    asked = inspect.signature(adapter.fetch_offers).parameters.values()
    assert [(one.name, one.kind.name) for one in asked] == [
        *((one, "POSITIONAL_OR_KEYWORD") for one in ("shapes", "regions", "client")),
        *((one, "KEYWORD_ONLY") for one in ("tiers", "now", "done")),
    ]
    beside = ("fetch_shapes", "fetch_quotas", "fetch_spot_signals", "fetch_spot_history")
    for function in filter(None, (getattr(adapter, one, None) for one in beside)):
        assert list(inspect.signature(function).parameters)[:3] == ["shapes", "regions", "client"]
        assert all(
            one.default is not one.empty for one in list(inspect.signature(function).parameters.values())[1:]
        )
