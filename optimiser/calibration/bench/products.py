"""Matrix products as linear layers make them, in the formats that a GPU multiplies in, and plain reading of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from optimiser.calibration.bench.timing import Bench, Work, ring_length, timed_point
from optimiser.calibration.points import LeftOut, Point
from optimiser.calibration.sizes import Sizes, head_product, layer_products

PRODUCTS, READ = "products", "read"
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
# Products of 8-bit operands are written in 16 bit, of int8 in 32 (torch has no other).
OUTPUT_BYTES = {"bf16": 2, "fp16": 2, "fp8": 2, "int8": 4}
OPERAND_BYTES = {"bf16": 2, "fp16": 2, "fp8": 1, "int8": 1}
READ_BYTES_PER_ELEMENT = 4


def products(bench: Bench, sizes: Sizes) -> Iterator[Point | LeftOut]:
    """Every product of the models' layers, and the output head of the step's model at the rows of its steps."""
    for precision in sizes.precisions:
        for model in sizes.models:
            for name, (outputs, inputs) in layer_products(model).items():
                for rows in sizes.rows:
                    yield product(bench, f"{model.name} {name}", precision, rows, outputs, inputs)
    outputs, inputs = head_product(sizes.step_model)
    for rows in sizes.step_batches:
        yield product(bench, f"{sizes.step_model.name} head", sizes.half, rows, outputs, inputs)


def product(bench: Bench, case: str, precision: str, rows: int, outputs: int, inputs: int) -> Point | LeftOut:
    """(rows, inputs) × (inputs, outputs): 2·M·N·K operations; weights and activations move once."""
    operand, output = OPERAND_BYTES[precision], OUTPUT_BYTES[precision]
    weights = outputs * inputs * operand
    copies = ring_length(bench, weights)
    moved = weights + rows * (inputs * operand + outputs * output)

    def build() -> list[Work]:
        left = _operand(bench, (rows, inputs), precision)
        return [
            _MULTIPLIED[precision](bench, left, _operand(bench, (outputs, inputs), precision))
            for _ in range(copies)
        ]

    return timed_point(
        bench,
        # Operands are drawn in 32 bit before they are cast, one copy at a time.
        (copies - 1) * weights + moved + outputs * inputs * 4,
        build,
        section=PRODUCTS,
        case=case,
        precision=precision,
        sizes={"rows": rows, "outputs": outputs, "inputs": inputs},
        flops=2.0 * rows * outputs * inputs,
        bytes_moved=float(moved),
    )


def half_product(bench: Bench, rows: int, outputs: int, inputs: int, half: str) -> Work:
    """A 16-bit product to keep the GPU busy with."""
    left, right = (_operand(bench, shape, half) for shape in ((rows, inputs), (outputs, inputs)))
    return _half(bench, left, right)


def reads(bench: Bench, sizes: Sizes) -> Iterator[Point | LeftOut]:
    """Sums over buffers of the sizes, which read each element once."""
    for size in sizes.read_bytes:
        yield read(bench, size)


def read(bench: Bench, size_bytes: int) -> Point | LeftOut:
    """The sum over a buffer of so many bytes of 32-bit numbers."""
    copies = ring_length(bench, size_bytes)
    elements = size_bytes // READ_BYTES_PER_ELEMENT

    def build() -> list[Work]:
        buffers = [torch.ones(elements, dtype=torch.float32, device=bench.device) for _ in range(copies)]
        return [buffer.sum for buffer in buffers]

    return timed_point(
        bench,
        float(size_bytes) * copies,
        build,
        section=READ,
        case="sum",
        precision="fp32",
        sizes={"bytes": size_bytes},
        flops=float(elements),
        bytes_moved=float(size_bytes),
    )


def _operand(bench: Bench, shape: tuple[int, int], precision: str) -> torch.Tensor:
    """Random numbers, since multiplying zeros takes less power and so keeps clocks higher than work does."""
    if precision == "int8":
        return torch.randint(-127, 128, shape, dtype=torch.int8, device=bench.device)
    drawn = torch.randn(shape, dtype=torch.float32, device=bench.device)
    return drawn.to(torch.float8_e4m3fn if precision == "fp8" else DTYPES[precision])


def _half(_bench: Bench, left: torch.Tensor, right: torch.Tensor) -> Work:
    return lambda: torch.mm(left, right.t())


def _fp8(bench: Bench, left: torch.Tensor, right: torch.Tensor) -> Work:
    """Scaled per tensor, with the fast accumulation that engines use."""
    scale = torch.ones((), dtype=torch.float32, device=bench.device)
    fast = bench.on_gpu
    return lambda: torch._scaled_mm(
        left, right.t(), scale_a=scale, scale_b=scale, out_dtype=torch.bfloat16, use_fast_accum=fast
    )


def _int8(_bench: Bench, left: torch.Tensor, right: torch.Tensor) -> Work:
    return lambda: torch._int_mm(left, right.t())


_MULTIPLIED: dict[str, Callable[[Bench, torch.Tensor, torch.Tensor], Work]] = {
    "bf16": _half,
    "fp16": _half,
    "fp8": _fp8,
    "int8": _int8,
}
