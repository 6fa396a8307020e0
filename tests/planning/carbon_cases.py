"""Figures of power, machines and grids to reckon with by hand."""

from __future__ import annotations

from optimiser.carbon.embodied import Embodied, Span
from optimiser.carbon.grids import Carbon, Grid, Pue
from optimiser.carbon.power import Power

POWER = Power(
    idle_tdp_share=0.25,
    one_request_tdp_share=0.5,
    many_requests_tdp_share=1.0,
    curve_steepness=1.0,
    curve_middle_log2=2.0,
    prompt_tdp_share=1.0,
    host_w_per_vcpu=2.0,
    host_w_per_gib=0.25,
    rest_share=0.0,
)
KNOWN = Carbon(
    power=POWER,
    embodied=Embodied(gpus={"L4": Span(low=100, high=200)}, server_kg_per_gpu=Span(low=0, high=0)),
    pue={"aws": Pue(provider="aws", pue=1.5, year=2025, source="by hand")},
    grids={
        ("aws", "r1"): {
            "one": Grid(
                provider="aws", region="r1", gco2_per_kwh=200.0, method="one", year=2023, source="by hand"
            )
        }
    },
)
