"""What a run draws and emits, its grid by the one method for all places where it could run, and what that weighs.

    kWh of a run  = W per instance / 1000 · instances · hours · PUE
    t CO2e        = kWh · (g CO2e per kWh) / 1e6
    weighed USD   = billed USD + (USD per tonne) · t CO2e                policy.carbon_usd_per_tonne, billed to nobody

W per instance is its GPUs' full board power, its host's, and fans and power supplies on top (carbon/power.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from optimiser.carbon.embodied import kg_per_hour
from optimiser.carbon.grids import Carbon, Grid, footing
from optimiser.carbon.power import KG_PER_TONNE, host_w, kg_co2e, kwh
from optimiser.costing.training.market import Market
from optimiser.costing.training.plan import TrainEnergy
from optimiser.costing.training.ways import Way
from optimiser.performance.specs import GpuSpec
from optimiser.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Emitted:
    """What machines draw and grids emit, all by one method ("" where no place has a figure)."""

    carbon: Carbon
    gpus: Mapping[str, GpuSpec]
    method: str

    def of_run(self, way: Way) -> TrainEnergy:
        """Energy and carbon of a run."""
        shape, hours = way.market.shape, way.hours * way.pace.nodes
        pue, grid = self.carbon.pue.get(way.market.provider), self._grid(way.market)
        drawn = kwh(self._watts(way.market), hours, pue.pue if pue else 1.0)
        made = kg_per_hour(self.carbon.embodied, shape.gpu, shape.gpu_count)
        return TrainEnergy(
            kwh=drawn,
            pue=pue.pue if pue else None,
            tonnes_co2e=kg_co2e(drawn, grid.gco2_per_kwh) / KG_PER_TONNE if grid and pue else None,
            gco2_per_kwh=grid.gco2_per_kwh if grid else None,
            method=self.method,
            year=grid.year if grid else None,
            embodied_tonnes_low=made[0] * hours / KG_PER_TONNE if made else None,
            embodied_tonnes_high=made[1] * hours / KG_PER_TONNE if made else None,
        )

    def weighed(self, way: Way, usd_per_tonne: float) -> Way | None:
        """The way with what it emits weighed at that price; None where its place has no figure: unknown is not zero."""
        tonnes = self.of_run(way).tonnes_co2e
        return None if tonnes is None else replace(way, carbon_usd=tonnes * usd_per_tonne)

    def _watts(self, market: Market) -> float:
        """Power of an instance, W."""
        shape, power = market.shape, self.carbon.power
        gpus_w = shape.gpu_count * self.gpus[shape.gpu].tdp_w
        return (gpus_w + host_w(shape, power)) * (1 + power.rest_share)

    def _grid(self, market: Market) -> Grid | None:
        return self.carbon.grids.get((market.provider, market.region), {}).get(self.method)


def emitted(carbon: Carbon, gpus: Mapping[str, GpuSpec], every: Iterable[Way]) -> Emitted:
    """What runs emit, by the method for all the places of these ways."""
    places = ((way.market.provider, way.market.region) for way in every)
    return Emitted(carbon=carbon, gpus=gpus, method=footing(carbon, places) or "")


def at_carbon_price(
    every: Sequence[Way], known: Emitted, policy: Policy
) -> tuple[list[Way], tuple[str, ...]]:
    """The ways with what they emit weighed at the policy's price, and notes. As for serving, those in places without
    a figure are left out and named under a price.
    """
    if not policy.carbon_usd_per_tonne:
        return list(every), ()
    weighed = [(way, known.weighed(way, policy.carbon_usd_per_tonne)) for way in every]
    lost = sorted({f"{way.market.provider} {way.market.region}" for way, found in weighed if found is None})
    by = f" by the method of the others ({known.method})" if known.method else ""
    said = f"carbon: left out for want of a figure{by}: {', '.join(lost)} (carbon.yaml, carbon_intensity.csv)"
    return [found for _, found in weighed if found is not None], (said,) if lost else ()
