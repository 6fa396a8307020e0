"""Client libraries are extras: an adapter says which one it lacks, and a recommendation needs none."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from harnesses import HARNESSES

from providers import PROVIDERS

LIBRARY = "cloud-pricing-optimiser"
every_fake = pytest.mark.parametrize("name", sorted(set(PROVIDERS) & set(HARNESSES)))

BLOCKED = """
import importlib.abc, json, sys
name, blocked = sys.argv[1], tuple(sys.argv[2:])

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, module, path, target=None):
        if module.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)

sys.meta_path.insert(0, Blocker())
from importlib import import_module
from optimiser.config import load_config
from providers.errors import ProviderError
adapter = import_module(f"providers.{name}")
told = {}
for function in ("fetch_offers", "fetch_shapes", "fetch_quotas", "fetch_spot_signals", "fetch_spot_history"):
    ask = getattr(adapter, function, None)
    if ask:
        try:
            ask(tuple(load_config().shapes.values()), ["nowhere-1"])
        except ProviderError as error:
            told[function] = [type(error).__name__, str(error)]
print(json.dumps(told))
"""


@every_fake
def test_without_its_library_an_adapter_imports_and_names_the_extra(name: str) -> None:
    run = _python(BLOCKED, name, *HARNESSES[name].sdk)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert "fetch_offers" in told
    for function, (kind, message) in told.items():
        assert kind == "SdkNotInstalled", f"{function}: {kind}: {message}"
        assert f"pip install '{LIBRARY}[{name}]'" in message, function


RECOMMENDED = """
import json, sys
from datetime import date
from optimiser import Policy, load_book, load_config, load_workload
from optimiser.recommend import Request, recommend
config, day = load_config(), date(2026, 11, 21)
workload = load_workload(config.find_workload("chat-llama-70b"))
book = load_book(config.price_files, config.shapes, day)
plan = recommend(Request(workload=workload, policy=Policy(), config=config, book=book, as_of=day))
print(json.dumps([len(plan.options), sorted({module.split(".")[0] for module in sys.modules})]))
"""


def test_a_recommendation_imports_no_client_library() -> None:
    run = _python(RECOMMENDED)
    assert run.returncode == 0, run.stderr
    options, modules = json.loads(run.stdout)
    assert options > 0
    assert "optimiser" in modules
    for name, harness in HARNESSES.items():
        assert not {*harness.sdk} & {*modules}, name


def _python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, warnings being errors."""
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_refresh_imports_no_pandas() -> None:
    """Which would take a third of the memory that a refresh at real size may have."""
    run = _python(
        "import sys, optimiser.refresh, optimiser.report.refresh_report; print('pandas' in sys.modules)"
    )
    assert (run.returncode, run.stdout) == (0, "False\n"), run.stderr
