"""What an instance is, apart from what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Obtainability(StrEnum):
    """How a machine can be had in practice: a price is not capacity."""

    ELASTIC = "elastic"
    SCARCE = "scarce"
    RESERVATION_ONLY = "reservation_only"
    SPOT_ONLY = "spot_only"


@dataclass(frozen=True, kw_only=True)
class InstanceShape:
    """One instance type of one provider, as reviewed in config/instances/<provider>.yaml.

    gpu_link is "nvlink" or "pcie": what joins the GPUs inside one instance ("none" for a single GPU).
    network_gbps is the instance's own network bandwidth in Gbit/s (RDMA fabric included), None if unknown.
    quota_unit is what the provider's quota counts: "vcpu" or "gpu".
    """

    provider: str
    instance_type: str
    gpu: str
    gpu_count: int
    vcpus: int
    memory_gib: float
    gpu_link: str
    network_gbps: float | None
    obtainability: Obtainability
    quota_family: str
    quota_unit: str
    notes: str = ""
