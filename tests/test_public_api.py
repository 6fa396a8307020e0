"""The names other programs may rely on."""

import subprocess
import sys

import optimiser

PUBLIC = {
    "Config", "NoFeasiblePlan", "OptimiserError", "Plan", "Policy", "PriceBook", "Request", "StalePrices",
    "UsageError", "Workload", "estimates_for", "load_book", "load_config", "load_workload", "recommend",
}  # fmt: skip


def test_public_names_are_these_and_load() -> None:
    assert set(optimiser.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(optimiser, name).__name__ == name


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import optimiser, sys; print(sorted({'pandas', 'pulp', 'numpy', 'pydantic'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
