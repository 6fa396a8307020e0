"""Calibrations made of known factors, by formulas written out here."""

from __future__ import annotations

from dataclasses import dataclass

from optimiser.calibration.points import Calibration, GpuState, Point, ServedLoad

# Llama 3.1 8B: (N, K) of each product of a layer, 32 query and 8 KV heads of 128.
PRODUCTS = {
    "qkv": (6144, 4096),
    "attention_out": (4096, 4096),
    "gate_up": (28672, 4096),
    "down": (4096, 14336),
}
HEAD = (128256, 4096)
H100_FLOPS, H100_BYTES = 989e12, 3350e9


@dataclass(frozen=True, kw_only=True)
class Planted:
    """What the kernels of a made GPU reach; times in µs."""

    compute: float = 0.75
    saturation_rows: float = 50.0
    weights: float = 0.85
    read: float = 0.92
    cache: float = 0.8
    attention: float = 0.6
    grouped: dict[str, float] | None = None
    fixed_us: float = 3.0
    layer_us: float = 12.0
    step_us: float = 40.0
    flops: float = H100_FLOPS
    bandwidth: float = H100_BYTES


def product_s(at: Planted, rows: int, outputs: int, inputs: int) -> tuple[float, float, float]:
    """(seconds, operations, bytes) of a 16-bit product."""
    flops = 2.0 * rows * outputs * inputs
    moved = 2.0 * (outputs * inputs + rows * (outputs + inputs))
    compute = flops * (rows + at.saturation_rows) / rows / (at.flops * at.compute)
    memory = moved / (at.bandwidth * at.weights)
    return at.fixed_us * 1e-6 + (compute**4 + memory**4) ** 0.25, flops, moved


def cache_s(at: Planted, batch: int, context: int) -> tuple[float, float]:
    """(seconds, bytes) of a layer's KV cache in decoding."""
    moved = 2.0 * 2 * 8 * 128 * batch * context
    return at.fixed_us * 1e-6 + moved / (at.bandwidth * at.cache), moved


def made(
    at: Planted, gpu: str = "H100", device: str = "NVIDIA H100 80GB HBM3", half: str = "bf16"
) -> Calibration:
    """A whole calibration of such a GPU."""
    points = [*_products(at, half), *_reads(at), *_caches(at, half), *_prompts(at, half), *_steps(at, half)]
    return Calibration(
        gpu=gpu,
        device=device,
        measured_at="2026-11-20T10:00:00+00:00",
        torch="2.13.0",
        cuda="13.0",
        quick=False,
        complete=True,
        idle=GpuState(driver="580.95.05", power_limit_w=700.0),
        points=tuple(points) + (_experts(at, half) if at.grouped else ()),
    )


def _point(
    section: str,
    case: str,
    precision: str,
    seconds: float,
    flops: float = 0.0,
    moved: float = 0.0,
    **sizes: int,
) -> Point:
    return Point(
        section=section,
        case=case,
        precision=precision,
        sizes=sizes,
        seconds=seconds,
        runs=50,
        flops=flops,
        bytes_moved=moved,
    )


def served_load(load: float = 0.5, rate_rps: float = 18.0, slower: float = 1.0) -> ServedLoad:
    """Requests on a made GPU whose steps take 9 and 18 ms, or so many times that; at load 1 the highest rate."""
    ttft_ms = {"50": 21.0, "90": 33.0, "95": 39.0, "99": 52.0} if load < 1 else {}
    return ServedLoad(
        case="llama-3.1-8b",
        precision="bf16",
        layers=32,
        prompt=512,
        output=128,
        places=64,
        load=load,
        rate_rps=rate_rps / slower,
        requests=360,
        duration_s=21.5 * slower,
        ttft_s={name: waited * 1e-3 * slower for name, waited in ttft_ms.items()},
        decoding=20.0 if load < 1 else 63.5,
        decode_step_s=9e-3 * slower,
        mixed_step_s=18e-3 * slower,
        mixed_prompts=1.0,
    )


def _products(at: Planted, half: str) -> list[Point]:
    cases = [(name, shape, rows) for name, shape in PRODUCTS.items() for rows in (1, 8, 64, 256, 1024, 8192)]
    cases += [("head", HEAD, rows) for rows in (1, 8, 64)]
    found = []
    for name, (outputs, inputs), rows in cases:
        seconds, flops, moved = product_s(at, rows, outputs, inputs)
        found.append(
            _point(
                "products", f"llama-3.1-8b {name}", half, seconds, flops, moved,
                rows=rows, outputs=outputs, inputs=inputs,
            )
        )  # fmt: skip
    return found


def _reads(at: Planted) -> list[Point]:
    found = []
    for size in (2**26, 2**28, 2**30, 2**32):
        seconds = at.fixed_us * 1e-6 + size / (at.bandwidth * at.read)
        found.append(_point("read", "sum", "fp32", seconds, moved=float(size), bytes=size))
    return found


def _caches(at: Planted, half: str) -> list[Point]:
    found = []
    for batch in (1, 8, 64):
        for context in (2048, 8192):
            seconds, moved = cache_s(at, batch, context)
            sizes = {"batch": batch, "context": context, "group": 4}
            found.append(_point("decode_attention", "llama-3.1-8b", half, seconds, moved=moved, **sizes))
    return found


def _prompts(at: Planted, half: str) -> list[Point]:
    found = []
    for tokens in (512, 2048, 8192):
        flops = 4.0 * 32 * 128 * tokens * tokens / 2
        seconds = at.fixed_us * 1e-6 + flops / (at.flops * at.compute * at.attention)
        found.append(
            _point("prefill_attention", "llama-3.1-8b", half, seconds, flops, tokens=tokens, group=4)
        )
    return found


def _steps(at: Planted, half: str) -> list[Point]:
    found = []
    for batch in (1, 8, 64):
        layer = sum(product_s(at, batch, *shape)[0] for shape in PRODUCTS.values())
        layer += cache_s(at, batch, 2048)[0] + at.layer_us * 1e-6
        rest = product_s(at, batch, *HEAD)[0] + at.step_us * 1e-6
        found += [
            _point(
                "steps", "llama-3.1-8b", half, rest + depth * layer,
                layers=depth, batch=batch, context=2048, prompt=0,
            )
            for depth in (1, 2, 8)
        ]  # fmt: skip
    return found


def _experts(at: Planted, half: str) -> tuple[Point, ...]:
    """Eight experts of which every row takes one: all are touched."""
    found = []
    for routing, share in (at.grouped or {}).items():
        for rows in (64, 1024, 16384):
            outputs, inputs = 28672, 4096
            flops = 2.0 * rows * outputs * inputs
            moved = 2.0 * (8 * outputs * inputs + rows * (outputs + inputs))
            compute = flops * (1 + at.saturation_rows * 8 / rows) / (at.flops * at.compute * share)
            memory = moved / (at.bandwidth * at.weights)
            seconds = at.fixed_us * 1e-6 + (compute**4 + memory**4) ** 0.25
            found.append(
                _point(
                    "experts", f"mixtral-8x7b {routing} grouped_mm", half, seconds, flops, moved,
                    tokens=rows, rows=rows, touched=8, largest=rows, outputs=outputs, inputs=inputs,
                )
            )  # fmt: skip
    return tuple(found)
