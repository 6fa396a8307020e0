"""The names other programs may rely on."""

import subprocess
import sys

import optimiser

PUBLIC = {
    "Config", "NoFeasiblePlan", "OptimiserError", "Plan", "Policy", "PriceBook", "StalePrices",
    "UsageError", "Workload", "load_book", "load_config", "load_workload",
}  # fmt: skip


def test_public_names_are_these_and_load() -> None:
    assert set(optimiser.__all__) == PUBLIC
    for name in PUBLIC:
        assert getattr(optimiser, name).__name__ == name


def test_the_docstrings_example_plans() -> None:
    code = (
        "from datetime import date; from optimiser import Policy, load_book, load_config, load_workload\n"
        "from optimiser.recommend import Request, recommend\n"
        "config = load_config(); day = date(2026, 11, 21)\n"
        "workload = load_workload(config.find_workload('chat-llama-70b'))\n"
        "book = load_book(config.price_files, config.shapes, day)\n"
        "policy = Policy(providers=('gcp',))\n"
        "plan = recommend(Request(workload=workload, policy=policy, config=config, book=book, as_of=day))\n"
        "print({option.provider for option in plan.options}, any('n1+' in option.id for option in plan.options))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "{'gcp'} False"


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import optimiser, sys; print(sorted({'pandas', 'pulp', 'numpy', 'pydantic'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
