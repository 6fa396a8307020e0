"""What a machine's own GPU is called: by its driver, or by who asks."""

from __future__ import annotations

import pytest

from optimiser.config import load_config
from optimiser.errors import UsageError
from optimiser.measured.names import own_gpu

GPUS = load_config().gpus


@pytest.mark.parametrize(
    ("device", "asked", "name"),
    [
        ("NVIDIA H100 80GB HBM3", None, "H100"),
        ("NVIDIA H100 80GB HBM3", "H100", "H100"),
        ("NVIDIA H100 NVL", None, "H100-NVL"),
        ("NVIDIA H200", None, "H200"),
        ("NVIDIA B200", None, "B200"),
        ("NVIDIA A100-SXM4-80GB", None, "A100-80GB"),
        ("NVIDIA A100-SXM4-40GB", None, "A100-40GB"),
        ("NVIDIA A100 80GB PCIe", None, "A100-80GB-PCIe"),
        ("NVIDIA A10G", None, "A10G"),
        ("NVIDIA L4", None, "L4"),
        ("NVIDIA L40S", None, "L40S"),
        ("Tesla T4", None, "T4"),
        ("Tesla V100-SXM2-16GB", None, "V100"),
        ("Tesla V100-SXM2-32GB", None, "V100-32GB"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", None, "RTX-PRO-6000"),
        ("Tesla V100-PCIE-16GB", None, "V100-PCIe"),
        ("NVIDIA Graphics Device", "B300", "B300"),
    ],
)
def test_gpus_are_known_by_their_driver_s_name(device: str, asked: str | None, name: str) -> None:
    assert own_gpu(device, asked, GPUS) == name


@pytest.mark.parametrize(
    ("device", "asked", "message"),
    [
        ("NVIDIA H20", None, "NVIDIA H20: no such GPU in gpus.yaml, where there are A10, A100-40GB, "),
        ("NVIDIA H20", None, "name the one it is by --gpu NAME"),
        ("NVIDIA L4", "H100", "--gpu: name = 'H100': the GPU of this machine is NVIDIA L4, which is L4"),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "H100", "is a slice of a GPU"),
    ],
)
def test_a_gpu_that_is_not_known_or_another_is_refused(device: str, asked: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        own_gpu(device, asked, GPUS)
    assert message in str(caught.value)
