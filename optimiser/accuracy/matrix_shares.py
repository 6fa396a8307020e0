"""What large dense matrix products reach of a GPU generation's peak, as published: the guide to its compute share where
no serving was measured.

Serving reaches about as large a part of that on every generation (0.75 to 0.92 of it where both are known), while its
share of the data sheet's peak differs by two times: some are held far below their rated clocks by power. Power by rated
FLOPS does not tell which: at 0.44 W per TFLOPS B200 holds three quarters of its peak, at 0.57 MI300X half.

PyTorch's matmul in 16 bit, the best of 1,024² to 10,240² (github.com/zzc0721/torch-performance-test-data, its table and
issues of 2025-09 to 2026-02), but where another source is named; looked at 2026-11-23.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class MatrixShare:
    """The share of the 16-bit peak (0..1) on the GPU named in source. stands_in: that is not the GPU whose serving is
    measured, so it says nothing of how much of it serving reaches.
    """

    share: float
    source: str
    stands_in: bool = False


MATRIX_SHARES: Mapping[str, MatrixShare] = {
    "Volta": MatrixShare(share=0.78, source="V100: 97 of 125 TFLOPS"),
    # Two measurements: 42 (issue 29) and, held at 70 W, 24 (NVIDIA's forum, thread 264462); their geometric mean.
    "Turing": MatrixShare(share=0.49, source="T4: 24 to 42 of 65 TFLOPS"),
    "Ampere": MatrixShare(share=0.848, source="A100 SXM: 264.5 of 312 TFLOPS"),
    "Ada": MatrixShare(share=0.743, source="L40S: 269 of 362 TFLOPS"),
    "Hopper": MatrixShare(share=0.80, source="H100 SXM: 789 of 989 TFLOPS"),
    # Nothing was found of H100 NVL.
    "Hopper PCIe": MatrixShare(share=0.656, source="H100 PCIe: 496 of 756 TFLOPS", stands_in=True),
    "Blackwell": MatrixShare(share=0.754, source="B200: 1,696 of 2,250 TFLOPS"),
    "Blackwell RTX": MatrixShare(share=0.83, source="RTX PRO 6000: 418 of 504 TFLOPS"),
    # github.com/stas00/ml-engineering; AMD's own: 708 in bf16, in fp8 1,273 of 2,615 (ROCm blog, 2025-02).
    "CDNA3": MatrixShare(share=0.511, source="MI300X: 668 of 1,307 TFLOPS"),
}


def serving_share(compute: Mapping[str, float]) -> float | None:
    """How much of a generation's matrix share serving reaches, by the compute shares of those that were measured: the
    geometric mean, None where there is nothing to go by.
    """
    ratios = [
        value / MATRIX_SHARES[name].share
        for name, value in compute.items()
        if name in MATRIX_SHARES and not MATRIX_SHARES[name].stands_in
    ]
    return float(np.exp(np.mean(np.log(ratios)))) if ratios else None
