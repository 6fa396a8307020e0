"""What a unit draws while it serves, by its load.

Utilisation is not the share of time in which a GPU has work (a serving engine decodes whenever a request is in flight),
but how much of that time is compute-bound and how many requests share each memory-bound step:

    share of TDP = (1 − busy) · idle  +  prompts · prompt_share_of_tdp  +  (busy − prompts) · decode(b)
    decode(b)    = one + (many − one) / (1 + exp(−steepness · (log2 b − middle)))        b ≥ 1 in flight a replica
    busy         = 1 − exp(−b)                     Poisson arrivals into a batch that is never full (M/G/∞)

decode is the published curve of H100 under vLLM against its batch (arXiv:2602.05116, Eq. 2, with its figure's points at
batches of 1 to 128; ends from the ML.ENERGY benchmark v3, arXiv:2601.22076). Prompts are compute-bound and run at the
power limit (Splitwise, arXiv:2311.18677). Other GPUs are taken to draw the same shares of their TDP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from optimiser.performance.estimate_types import Estimate
from optimiser.performance.specs import GpuSpec
from providers.shape import InstanceShape

KG_PER_TONNE = 1000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Power:
    """What a GPU draws as shares of its TDP, W of the host per vCPU and GiB of memory, and what else an instance draws
    (fans, power supplies, network cards) as a share on top of both.

    gpu_tdp_share is a constant in place of the curve, for who has measured it.
    """

    idle_tdp_share: float
    one_request_tdp_share: float
    many_requests_tdp_share: float
    curve_steepness: float
    curve_middle_log2: float
    prompt_tdp_share: float
    host_w_per_vcpu: float
    host_w_per_gib: float
    rest_share: float
    gpu_tdp_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What a unit's power follows from: the TDP of its GPUs and its host's power, W; the share of busy time on prompts
    at the largest rate it was estimated at; requests in flight per replica at shares of that rate; and the share of it
    that the unit is planned to carry.
    """

    power: Power
    gpus_tdp_w: float
    host_w: float
    prefill_time_share: float
    in_flight: tuple[tuple[float, float], ...]
    planned_share: float

    @overload
    def watts(self, load: float) -> float: ...
    @overload
    def watts(self, load: Floats) -> Floats: ...
    def watts(self, load: float | Floats) -> float | Floats:
        """Average power at a load, W: the share of its planned rate that a unit carries."""
        gpus = self.gpus_tdp_w * self.gpu_tdp_share(load)
        return (gpus + self.host_w) * (1 + self.power.rest_share)

    @overload
    def gpu_tdp_share(self, load: float) -> float: ...
    @overload
    def gpu_tdp_share(self, load: Floats) -> Floats: ...
    def gpu_tdp_share(self, load: float | Floats) -> float | Floats:
        """Share of their TDP that its GPUs draw at that load."""
        part = np.asarray(load, dtype=np.float64) * self.planned_share
        found = gpu_tdp_share(
            self.power, np.asarray(self._in_flight_at(part)), np.minimum(part, 1.0) * self.prefill_time_share
        )
        return found if isinstance(load, np.ndarray) else float(found)

    def requests_in_flight(self, load: float) -> float:
        """Requests in flight per replica at that load, between the loads it was estimated at."""
        return float(self._in_flight_at(np.asarray(load * self.planned_share)))

    def _in_flight_at(self, share: Floats) -> Floats:
        shares, counts = zip((0.0, 0.0), *self.in_flight, strict=True)
        return np.asarray(np.interp(share, shares, counts), dtype=np.float64)


def gpu_tdp_share(power: Power, in_flight: Floats, prompts: Floats) -> Floats:
    """Share of its TDP that a serving GPU draws: requests in flight a replica, and the share of time on prompts."""
    if power.gpu_tdp_share is not None:
        return np.full_like(in_flight, power.gpu_tdp_share)
    busy = -np.expm1(-in_flight)
    prompts = np.minimum(prompts, busy)
    one, many = power.one_request_tdp_share, power.many_requests_tdp_share
    places = np.log2(np.maximum(in_flight, 1.0)) - power.curve_middle_log2
    decode = one + (many - one) / (1 + np.exp(-power.curve_steepness * places))
    drawn = (1 - busy) * power.idle_tdp_share + prompts * power.prompt_tdp_share + (busy - prompts) * decode
    return np.asarray(drawn, dtype=np.float64)


def host_w(shape: InstanceShape, power: Power) -> float:
    """Average power of an instance's processors and memory, W."""
    return shape.vcpus * power.host_w_per_vcpu + shape.memory_gib * power.host_w_per_gib


def draw_of(shape: InstanceShape, gpu: GpuSpec, estimate: Estimate, rate_rps: float, power: Power) -> Draw:
    """What a unit of such instances draws where it is planned to carry rate_rps of what it was estimated at."""
    instances = estimate.setup.instances_per_unit
    points = tuple((one.utilisation, one.concurrency_per_replica) for one in estimate.load_points)
    return Draw(
        power=power,
        gpus_tdp_w=instances * shape.gpu_count * gpu.tdp_w,
        host_w=instances * host_w(shape, power),
        prefill_time_share=estimate.prefill_time_share,
        in_flight=points or ((1.0, estimate.concurrency_per_replica),),
        planned_share=min(rate_rps / estimate.requests_per_second, 1.0) if rate_rps else 0.0,
    )


@dataclass(frozen=True, kw_only=True)
class UnitEnergy:
    """A unit's draw, its building's PUE (None where its provider's is not known), and the low and high kg CO2e that
    making it emitted for each hour in use (None for a GPU without a figure)."""

    draw: Draw
    pue: float | None
    embodied_kg_per_hour: tuple[float, float] | None


def kwh(watts: float, hours: float, pue: float) -> float:
    """What the building draws for a machine of so many W over so many hours, kWh."""
    return watts / 1000 * hours * pue


def kg_co2e(energy_kwh: float, gco2_per_kwh: float) -> float:
    """What a grid emits for so much energy, kg CO2e, location-based."""
    return energy_kwh * gco2_per_kwh / 1000
