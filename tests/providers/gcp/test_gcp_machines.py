"""The table of machines agrees with config/instances/gcp.yaml and covers it."""

import pytest

from optimiser.config import load_config
from providers.gcp.grammar import GPU_NAMES
from providers.gcp.machines import MACHINES
from providers.shape import InstanceShape

SHAPES = [shape for shape in load_config().shapes.values() if shape.provider == "gcp"]
PRODUCTS = {
    "L4": {"L4"},
    "RTX-PRO-6000": {"RTX PRO 6000"},
    "A100-40GB": {"A100 40GB"},
    "A100-80GB": {"A100 80GB"},
    "H100": {"H100", "H100 Mega"},
    "H200": {"H200"},
}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.instance_type)
def test_every_machine_type_in_the_config_has_its_skus_and_the_same_gpu(shape: InstanceShape) -> None:
    machine = MACHINES[shape.instance_type]
    assert machine.gpu in PRODUCTS[shape.gpu]
    assert (machine.gpu == "H100 Mega") == ("MEGA" in shape.quota_family)
    assert bool(machine.only_so) == (shape.obtainability.value in ("spot_only", "reservation_only"))
    assert (machine.host or "A4").casefold()[:2] == shape.instance_type[:2]


def test_every_gpu_of_the_table_is_in_the_grammar() -> None:
    assert {machine.gpu for machine in MACHINES.values()} == set(GPU_NAMES.values())


@pytest.mark.parametrize(
    ("series", "gib_per_gpu"), [("a2-ultragpu", 375), ("a3-highgpu", 750), ("a3-megagpu", 750)]
)
def test_bundled_local_ssd_grows_with_the_gpus(series: str, gib_per_gpu: int) -> None:
    gpus = {
        shape.instance_type: shape.gpu_count for shape in SHAPES if shape.instance_type.startswith(series)
    }
    assert {name: MACHINES[name].ssd_gib for name in gpus} == {
        name: gib_per_gpu * n for name, n in gpus.items()
    }
    assert gpus
