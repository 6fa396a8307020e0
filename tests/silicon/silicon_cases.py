"""The embedded config, and instances to ask measured operators of."""

from functools import cache
from pathlib import Path

from optimiser.config import Config, load_config
from providers.shape import GpuLink, InstanceShape, Obtainability, QuotaUnit


@cache
def shipped() -> Config:
    """The embedded config, without any of the user's own."""
    return load_config(Path(__file__).parents[2] / "config")


def shape(gpu: str, count: int, link: GpuLink) -> InstanceShape:
    return InstanceShape(
        provider="test",
        instance_type=f"{count}x{gpu}",
        gpu=gpu,
        gpu_count=count,
        vcpus=8,
        memory_gib=2000,
        gpu_link=link,
        network_gbps=None,
        obtainability=Obtainability.ELASTIC,
        quota_family="",
        quota_unit=QuotaUnit.GPU,
    )
