"""A calibration as a report: kernels beside what estimates use, and what of it may go into estimates."""

from __future__ import annotations

import math

from optimiser.calibration.compare import Beside, Comparison
from optimiser.calibration.points import PERCENTILES, Calibration, GpuState
from optimiser.calibration.queueing_check import JUDGED, SIMULATED_RUNS, QueueBeside
from optimiser.report.document import Block, Column, Document, Row, Section, Table
from optimiser.report.wording import counted, number, percent

LABELS = {
    "compute_bf16": "compute, bf16 products",
    "compute_fp16": "compute, fp16 products",
    "compute_fp8": "compute, fp8 products",
    "compute_int8": "compute, int8 products",
    "saturation_rows": "rows to saturation, 16 bit",
    "bandwidth_read": "bandwidth, plain reading",
    "bandwidth_weights": "bandwidth, weights of products",
    "bandwidth_kv_cache": "bandwidth, KV cache in decoding",
    "prompt_attention": "prompt attention / products",
    "grouped_uniform": "experts / products, even routing",
    "grouped_zipf": "experts / products, Zipf routing",
    "layer_overhead_us": "µs per layer beyond its kernels",
    "step_overhead_us": "µs per step beyond its kernels",
}
STEP_KINDS = {"decode": "that decode alone", "mixed": "with prompt tokens beside"}
_LEGEND = (
    "Shares are of the data sheet's peaks. A kernel's share is the most that an engine can reach with it: an engine "
    "also schedules, samples, waits and streams, and its factors hold those losses. An engine may have better kernels "
    "than torch for fp8, int8 and experts. fit: median error of the kernel model on its points.",
    "Saturation, overheads, prompt attention and experts are shown to compare: estimates go on with the "
    "shipped ones, which hold for every GPU.",
)


_QUEUE_LEGEND = (
    "Time to first token in ms, and in brackets what estimates say of it with steps as long as the measured ones: how "
    "far their queue is off, not the kernels. alike: p"
    f"{JUDGED} of {SIMULATED_RUNS} simulated runs of as many requests with such steps, median and range. What lies "
    "within that range may be chance; estimates are of a load that lasts, which a short run near the highest rate does "
    "not reach. Nothing here goes into estimates."
)


def calibration_document(comparison: Comparison) -> Document:
    """The comparison as a report of at most a screen's width."""
    one = comparison.calibration
    state = "" if one.complete else ", interrupted"
    headline = (
        f"{one.gpu} on {one.measured_on}: {counted(len(one.points), 'point')} measured, "
        f"{counted(len(one.left_out), 'size')} left out{state}"
    )
    columns = (
        Column("kernels against estimates"),
        Column("kernels", right=True),
        Column("estimates", right=True),
        Column("estimates / kernels", right=True),
        Column("points", right=True),
        Column("fit", right=True),
    )
    figures = tuple(_row(figure) for figure in comparison.figures)
    sections = (
        Section("What kernels reach", (Table(columns, figures), *_LEGEND) if figures else ()),
        Section("Plain steps", tuple(_steps(comparison))),
        Section("Requests under load", _queues(comparison.queues)),
        Section("For estimates of this GPU", tuple(_verdict(comparison))),
        Section("Measured on", tuple(_conditions(one))),
        Section("Left out", tuple(_reasons(one))),
    )
    return Document(headline, sections)


def _row(figure: Beside) -> Row:
    return Row(
        (
            LABELS[figure.name],
            number(figure.found.value),
            number(figure.shipped),
            percent(figure.shipped / figure.found.value) if figure.found.value > 0 else "—",
            f"{figure.found.points}",
            "—" if figure.found.error is None else percent(figure.found.error),
        )
    )


def _steps(comparison: Comparison) -> list[str]:
    return [
        f"Steps {STEP_KINDS[kind]}, without an engine, take {percent(found.value)} of what estimates "
        f"say (median of {found.points})."
        for kind, found in comparison.steps.items()
    ]


def _queues(queues: tuple[QueueBeside, ...]) -> tuple[Block, ...]:
    """What was served, the highest rate, and a row a load."""
    if not queues:
        return ()
    one = queues[0].served
    blocks: list[Block] = [
        f"Requests of {one.prompt:,} + {one.output:,} tokens on {counted(one.layers, 'layer')} of {one.case}, "
        f"{counted(one.places, 'place')}, Poisson arrivals."
    ]
    blocks += [
        f"Highest rate {number(queue.served.rate_rps)}/s; estimates with these steps: {number(queue.rate_rps)}/s."
        for queue in queues
        if queue.rate_rps is not None
    ]
    columns = (
        Column("load"),
        Column("requests", right=True),
        Column("in s", right=True),
        *(Column(f"p{percentile}", right=True) for percentile in PERCENTILES),
        Column(f"p{JUDGED} alike", right=True),
    )
    rows = tuple(_queue_row(queue) for queue in queues if queue.alike_s is not None)
    return (*blocks, Table(columns, rows), _QUEUE_LEGEND) if rows else tuple(blocks)


def _queue_row(queue: QueueBeside) -> Row:
    served, (least, median, most) = queue.served, (f"{number(one * 1e3)}" for one in queue.alike_s or ())
    waited = (
        f"{number(seconds * 1e3)} ({_against(queue.ttft_s[name], seconds)})"
        for name, seconds in served.ttft_s.items()
    )
    alike = f"{median} ({least}–{most})"
    cells = (percent(served.load), f"{served.requests:,}", number(served.duration_s), *waited, alike)
    return Row(cells)


def _against(estimated_s: float, measured_s: float) -> str:
    return percent(estimated_s / measured_s) if estimated_s < math.inf else "no end"


def _verdict(comparison: Comparison) -> list[str]:
    own, generation = comparison.own, comparison.generation
    if own is None:
        return [
            "Too little was measured for shares of its own: 16-bit products and reading of memory are needed."
        ]
    shipped = f"{generation.generation}: {generation.compute:.1%} of compute, {generation.bandwidth:.1%} of bandwidth"
    return [
        f"Shipped for {shipped}{'' if generation.fitted else ' (assumed: no serving was measured)'}.",
        f"Own: {own.compute:.1%} and {own.bandwidth:.1%}, since {own.basis}.",
        "They are used once `--write DIR` put them into a config directory, for every instance with this GPU; the "
        "error of estimates stays its generation's.",
    ]


def _conditions(one: Calibration) -> list[str]:
    built = f"torch {one.torch}, {f'CUDA {one.cuda}' if one.cuda else 'no CUDA'}"
    lines = [f"{one.device}, driver {one.idle.driver or 'not told'}, {built}, {one.measured_at}."]
    lines.append(f"At rest: {_state(one.idle)}.")
    if one.under_load is not None:
        lines.append(f"Multiplying without a break: {_state(one.under_load)}.")
    if one.quick:
        lines.append("Few sizes alone (--quick): saturation and overheads rest on little.")
    return lines


def _state(state: GpuState) -> str:
    told = {
        "SM": (state.sm_clock_mhz, "MHz"),
        "SM at most": (state.sm_clock_max_mhz, "MHz"),
        "memory": (state.memory_clock_mhz, "MHz"),
        "drawing": (state.power_draw_w, "W"),
        "limit": (state.power_limit_w, "W"),
        "at": (state.temperature_c, "°C"),
    }
    known = [f"{name} {value:,.0f} {unit}" for name, (value, unit) in told.items() if value is not None]
    missing = [name for name, (value, _) in told.items() if value is None]
    if not known:
        return "the driver tells neither clocks nor power"
    return ", ".join(known) + (f"; not told: {', '.join(missing)}" if missing else "")


def _reasons(one: Calibration) -> list[str]:
    """How many sizes of each section were left out, with the first's reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for left in one.left_out:
        found.setdefault((left.section, left.precision), []).append(left.reason)
    return [
        f"{section.replace('_', ' ')}, {precision}: {counted(len(reasons), 'size')} (such as: {reasons[0]})"
        for (section, precision), reasons in found.items()
    ]
