"""A calibrated GPU in a config directory: its estimates change and say why, all others stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from optimiser.config import Config, load_config
from optimiser.errors import UsageError
from optimiser.performance.estimate import estimate_shapes
from optimiser.performance.estimate_types import Estimate
from optimiser.workload import SizeBucket

ENTRY = "{compute: 0.5, bandwidth: 0.6, measured_on: 2026-11-20, driver: '580.95.05', basis: as measured}"
SHAPES = (("aws", "p5.48xlarge"), ("aws", "p5en.48xlarge"), ("gcp", "a3-highgpu-8g"), ("aws", "g6e.xlarge"))


def calibrated(directory: Path, text: str) -> Config:
    (directory / "performance.yaml").write_text(text, encoding="utf-8")
    return load_config(directory)


def estimates(config: Config) -> dict[str, Estimate]:
    found = estimate_shapes(
        config.models["llama-3.1-8b"],
        [SizeBucket(prompt_tokens=1000, output_tokens=300, share=1.0)],
        None,
        [config.shapes[key] for key in SHAPES],
        config.gpus,
        config.fit,
    )
    return {one.instance_type: one for one in found if isinstance(one, Estimate)}


def test_only_estimates_of_that_gpu_change_and_they_say_why(tmp_path: Path) -> None:
    before, after = (
        estimates(config) for config in (load_config(), calibrated(tmp_path, f"gpus: {{H100: {ENTRY}}}"))
    )
    assert len(before) == len(SHAPES)
    for name in ("p5.48xlarge", "a3-highgpu-8g"):
        assert after[name].requests_per_second < 0.9 * before[name].requests_per_second
        assert after[name].method.endswith(", calibrated on H100, 2026-11-20, driver 580.95.05: as measured")
        assert "Hopper reaches 50% of its compute and 60% of its bandwidth" in after[name].method
        # How wrong serving estimates are, kernels do not tell.
        assert after[name].relative_error == before[name].relative_error
        assert after[name].low_confidence == before[name].low_confidence
    for name in ("p5en.48xlarge", "g6e.xlarge"):
        assert after[name] == before[name]


def test_an_unknown_driver_is_said(tmp_path: Path) -> None:
    config = calibrated(tmp_path, f"gpus: {{H100: {ENTRY.replace('580.95.05', '')}}}")
    assert "2026-11-20, driver not known: as measured" in estimates(config)["p5.48xlarge"].method


def test_the_generation_stays_what_was_fitted(tmp_path: Path) -> None:
    config = calibrated(tmp_path, f"gpus: {{H100: {ENTRY}}}")
    assert config.fit.generations == load_config().fit.generations
    assert load_config().fit.gpus == {}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (f"H1000: {ENTRY}", "performance.yaml: gpus = 'H1000': not in gpus.yaml; did you mean H100 or"),
        (f"H100: {ENTRY.replace('0.5', '0')}", "performance.yaml: H100: compute = 0.0: a share above 0"),
        (f"H100: {ENTRY.replace('0.6', '1.2')}", "performance.yaml: H100: bandwidth = 1.2: a share above 0"),
        ("H100: {compute: 0.5}", "H100: missing fields bandwidth, measured_on, driver, basis"),
        (f"H100: {ENTRY.replace('basis', 'bases')}", "unknown field 'bases': did you mean basis?"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(tmp_path: Path, entry: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        calibrated(tmp_path, f"gpus: {{{entry}}}")
    assert message in str(caught.value)
