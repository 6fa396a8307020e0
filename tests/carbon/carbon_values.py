"""Made-up powers and machines with round numbers."""

from __future__ import annotations

from optimiser.carbon.power import Draw, Power
from providers.shape import InstanceShape, Obtainability, QuotaUnit

# As shipped, with the curve's ends in round shares of an H100's 700 W: 300 W and 600 W.
H100_CURVE = Power(
    idle_tdp_share=0.2,
    one_request_tdp_share=300 / 700,
    many_requests_tdp_share=600 / 700,
    curve_steepness=1.0,
    curve_middle_log2=4.2,
    prompt_tdp_share=1.0,
    host_w_per_vcpu=2.12,
    host_w_per_gib=0.421,
    rest_share=0.22,
)


def shape(gpu: str, gpu_count: int, vcpus: int, memory_gib: float) -> InstanceShape:
    """An instance of a made-up type."""
    return InstanceShape(
        provider="aws",
        instance_type="m",
        gpu=gpu,
        gpu_count=gpu_count,
        gpu_link="none",
        vcpus=vcpus,
        memory_gib=memory_gib,
        network_gbps=100.0,
        obtainability=Obtainability.SCARCE,
        quota_family="P",
        quota_unit=QuotaUnit.VCPU,
    )


def draw(power: Power = H100_CURVE, *, prompts: float = 0.25, planned: float = 0.5) -> Draw:
    """A unit of 1,000 W of GPUs and 100 W of host; 16 in flight at full rate, 4 at half of it."""
    return Draw(
        power=power,
        gpus_tdp_w=1000.0,
        host_w=100.0,
        prefill_time_share=prompts,
        in_flight=((0.5, 4.0), (1.0, 16.0)),
        planned_share=planned,
    )
