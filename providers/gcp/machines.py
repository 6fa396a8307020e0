"""Which SKUs make up each accelerator-optimised machine type, and how much local SSD comes bundled with it.

vCPUs, memory and GPUs are those of config/instances/gcp.yaml; the billing catalogue knows no machine types, so
what is missing there stands here. Checked 2026-11-21.

* ssd_gib, in GiB: the "attached Local SSD" column of Google's accelerator-optimised machine type tables, billed
  beside vCPU, memory and GPU. G2, G4 and A2 Standard may have local SSD, but come without.
* host: the word core and RAM SKUs call the series by. A2 Ultra is billed as A2, A3 Edge as A3 High, A3 Mega as
  "A3Plus", A3 Ultra as "A3Ultra". None: the GPU's SKU is a slice of the whole machine, host included (A4).
* gpu: the product in grammar.GPU_NAMES; A3 Mega has a GPU SKU of its own at its own price.
* only_so: why there is no on-demand or committed consumption, "" where there is, as Google's consumption
  options have it. Such machines do have on-demand SKUs, at which they cannot be bought.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Machine:
    """How one machine type is billed; see the module for the fields."""

    host: str | None
    gpu: str
    ssd_gib: int = 0
    only_so: str = ""


_SMALL_A3 = "a3-highgpu below 8 GPUs has no on-demand or committed consumption (spot and flex-start only)"
_A3_ULTRA = "a3-ultragpu has no on-demand or committed consumption (reservation, flex-start or spot)"
_A4 = "a4 has no on-demand or committed consumption (reservation, flex-start or spot)"

MACHINES: dict[str, Machine] = {
    **{f"g2-standard-{n}": Machine(host="G2", gpu="L4") for n in (4, 8, 12, 16, 24, 32, 48, 96)},
    **{f"g4-standard-{n}": Machine(host="G4", gpu="RTX PRO 6000") for n in (48, 96, 192, 384)},
    **{f"a2-highgpu-{n}g": Machine(host="A2", gpu="A100 40GB") for n in (1, 2, 4, 8)},
    "a2-megagpu-16g": Machine(host="A2", gpu="A100 40GB"),
    **{f"a2-ultragpu-{n}g": Machine(host="A2", gpu="A100 80GB", ssd_gib=375 * n) for n in (1, 2, 4, 8)},
    **{
        f"a3-highgpu-{n}g": Machine(host="A3", gpu="H100", ssd_gib=750 * n, only_so=_SMALL_A3)
        for n in (1, 2, 4)
    },
    "a3-highgpu-8g": Machine(host="A3", gpu="H100", ssd_gib=6000),
    "a3-edgegpu-8g": Machine(host="A3", gpu="H100", ssd_gib=6000),
    "a3-megagpu-8g": Machine(host="A3Plus", gpu="H100 Mega", ssd_gib=6000),
    "a3-ultragpu-8g": Machine(host="A3Ultra", gpu="H200", ssd_gib=12000, only_so=_A3_ULTRA),
    "a4-highgpu-8g": Machine(host=None, gpu="B200 slice", only_so=_A4),
}
