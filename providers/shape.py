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


class GpuLink(StrEnum):
    """What joins the GPUs inside one instance; NONE is a single GPU, NVLINK any fabric as fast."""

    NVLINK = "nvlink"
    PCIE = "pcie"
    NONE = "none"


class QuotaUnit(StrEnum):
    """What a provider's quota counts."""

    VCPU = "vcpu"
    GPU = "gpu"


# Where one quota counts all spot machines of a region, whatever their family. The name is of Low Priority days.
SHARED_SPOT_QUOTA = {"azure": "lowPriorityCores"}


@dataclass(frozen=True, kw_only=True)
class InstanceShape:
    """One instance type of one provider, as reviewed in config/instances/<provider>.yaml.

    network_gbps is the instance's own network bandwidth in Gbit/s (RDMA fabric included), None if unknown.
    """

    provider: str
    instance_type: str
    gpu: str
    gpu_count: int
    vcpus: int
    memory_gib: float
    gpu_link: GpuLink
    network_gbps: float | None
    obtainability: Obtainability
    quota_family: str
    quota_unit: QuotaUnit
    notes: str = ""

    @property
    def quota_count(self) -> int:
        """What one instance takes of its quota, in quota_unit."""
        return self.vcpus if self.quota_unit == QuotaUnit.VCPU else self.gpu_count

    @property
    def spot_quota_family(self) -> str:
        """The quota that counts an instance on spot, quota_family that of any other."""
        return SHARED_SPOT_QUOTA.get(self.provider, self.quota_family)
