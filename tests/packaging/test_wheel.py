"""The built wheel works alone: config and price snapshot travel inside it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout and unpacked into an empty directory, as pip would lay it out."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    run = subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    site = folder / "site"
    with zipfile.ZipFile(folder / run.stdout.split()[-1]) as wheel:
        wheel.extractall(site)
    return site


def _run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("OPTIMISER", "PYTHON"))
    }
    environment |= {
        "PYTHONPATH": str(site),
        "HOME": str(site.parent),
        "XDG_CONFIG_HOME": str(site.parent / "none"),
    }
    start = "import sys; from optimiser.cli import main; sys.argv[0] = 'optimiser'; main()"
    # -P keeps the working directory off the path: what answers is the wheel, not a checkout.
    command = [sys.executable, "-P", "-c", start, *arguments]
    return subprocess.run(
        command, cwd=site.parent, env=environment, capture_output=True, text=True, check=False
    )


def test_wheel_carries_config_and_prices(installed: Path) -> None:
    for name in ("gpus.yaml", "models.yaml", "settings.yaml", "prices/aws.csv", "instances/gcp.yaml"):
        assert (installed / "optimiser/_config" / name).is_file(), name


def test_wheel_answers_in_an_empty_directory(installed: Path) -> None:
    answer = _run(installed, "recommend", "chat-llama-70b", "--format", "json", "--as-of", "2026-11-21")
    assert answer.returncode == 0, answer.stderr
    assert '"schema_version": "1.5"' in answer.stdout


def test_wheel_lists_its_prices(installed: Path) -> None:
    answer = _run(
        installed,
        "prices",
        "list",
        "--instance-type",
        "p5.48xlarge",
        "--region",
        "eu-north-1",
        "--format",
        "csv",
    )
    assert answer.returncode == 0, answer.stderr
    assert "26.5858" in answer.stdout
