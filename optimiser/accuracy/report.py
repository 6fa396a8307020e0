"""The accuracy of the performance model as text, JSON, and row by row as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from optimiser.accuracy.coverage import CONFIDENCES
from optimiser.accuracy.ranking import RIGHT_SHARE, TELLING_RATIO, Ranking
from optimiser.accuracy.repeats import by_their_median, of_repeated
from optimiser.accuracy.sets import Goal, LeftOut
from optimiser.accuracy.summary import (
    DIMENSIONS,
    HIGHEST_LOAD_SHARE,
    Errors,
    Judged,
    by_dimension,
    by_reason,
    by_set,
    errors_of,
)

Unseen = Mapping[str, Mapping[str, Sequence[float]]]
# As config/performance.yaml names what was left out of a fit, and as the report does.
_LEFT_OUT_OF_FIT = {
    "model_left_out": "model out",
    "generation_left_out": "generation out",
    "gpu_left_out": "GPU out",
    "fifth_left_out": "fifth of rows out",
}
_CELL = 19


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """All that is reported of one table: its name and number of rows, the figures, and the rows left out.

    coverage is by set the share of measured rates that reach what is planned on, at each of CONFIDENCES. unseen and
    unseen_coverage hold, where the shipped constants were fitted to this very table, by set the errors and the
    coverage on models and on GPU generations that were left out of the fit, as config/performance.yaml records them.
    roofline holds, where the figures are predicted on measured operators, the roofline's of the same ones.
    """

    table: str
    rows: int
    judged: tuple[Judged, ...]
    left_out: tuple[LeftOut, ...]
    rankings: tuple[Ranking, ...]
    coverage: Mapping[Goal, Sequence[float]] = field(default_factory=dict)
    unseen: Unseen = field(default_factory=dict)
    unseen_coverage: Unseen = field(default_factory=dict)
    roofline: tuple[Judged, ...] = ()


def as_text(accuracy: Accuracy) -> str:
    """The report for a terminal."""
    sections = [_sets(accuracy), _repeated(accuracy.judged), _coverage(accuracy), _ranking(accuracy.rankings)]
    sections += [_dimension(accuracy.judged, name) for name in DIMENSIONS]
    return "\n".join("\n".join(lines) + "\n" for lines in [*sections, _left_out(accuracy)])


def _sets(accuracy: Accuracy) -> list[str]:
    judged = accuracy.judged
    rows = len({item.case.row.line for item in judged})
    lines = [
        f"{accuracy.table}: {len(judged):,} figures of {rows:,} of its {accuracy.rows:,} rows",
        "",
        f"{'error in %':16}{'figures':>8}{'median':>8}{'p90':>8}{'bias':>9}   {'goal':10}{'':8}"
        + _named_left_out(accuracy.unseen)
        + ("roofline on the same: median, p90, bias" if accuracy.roofline else ""),
    ]
    plain = by_set(accuracy.roofline)
    for goal, some in by_set(judged).items():
        errors = errors_of(some)
        wanted = f"{goal.median:.0%} / {goal.p90:.0%}".replace("%", "") if goal.median and goal.p90 else ""
        if errors is None:
            lines.append(f"{goal.name:16}{0:>8}{'':25}   {wanted:10}no rows")
            continue
        numbers = _figures(errors)
        verdict, rest = _verdict(errors, goal), _left_out_of_fit(accuracy.unseen, goal)
        if beside := errors_of(plain[goal]):
            rest = _figures(beside)
        lines.append(f"{goal.name:16}{errors.figures:>8}{numbers}   {wanted:10}{verdict:8}{rest}".rstrip())
    return [
        *lines,
        "",
        "Errors are predicted/measured − 1; median and p90 of their size, bias the median with its sign.",
        *(
            [
                "config/performance.yaml was fitted to this table: the columns on the right, of fits that saw no such",
                "model, GPU or row, are the fair test.",
            ]
            if accuracy.unseen
            else []
        ),
        f"TTFT open loop: below {HIGHEST_LOAD_SHARE:.0%} of the highest rate.",
    ]


def _figures(errors: Errors) -> str:
    return f"{_percent(errors.median):>8}{_percent(errors.p90):>8}{_percent(errors.bias, '+'):>9}"


def _percent(share: float, sign: str = "") -> str:
    """In at most 7 characters and the sign, which columns have room for: 9.7, 77,158, 1.2e+07."""
    value = 100 * share
    size = abs(value)
    return format(value, f"{sign}.1f" if size < 1e3 else f"{sign},.0f" if size < 999_999.5 else f"{sign}.1e")


def _repeated(judged: Sequence[Judged]) -> list[str]:
    ours, best = by_set(of_repeated(judged)), by_set(by_their_median(judged))
    lines = [
        "Set-ups measured more than once: error in % of the median of each one's figures, and of the model on the same",
        f"{'':16}{'figures':>8}{'their median':>22}{'the model':>22}",
    ]
    for goal, some in best.items():
        floor, errors = errors_of(some), errors_of(ours[goal])
        if floor and errors:
            cells = (f"{_percent(one.median)} / {_percent(one.p90)}" for one in (floor, errors))
            lines.append(f"{goal.name:16}{floor.figures:>8}" + "".join(f"{cell:>22}" for cell in cells))
    return lines if len(lines) > 2 else [lines[0], "  none"]


def _kinds(unseen: Unseen) -> list[str]:
    """What of _LEFT_OUT_OF_FIT is known."""
    return [kind for kind in _LEFT_OUT_OF_FIT if any(kind in some for some in unseen.values())]


def _named_left_out(unseen: Unseen) -> str:
    return "".join(f"{_LEFT_OUT_OF_FIT[kind]:>{_CELL}}" for kind in _kinds(unseen))


def _left_out_of_fit(unseen: Unseen, goal: Goal) -> str:
    cells = [unseen.get(goal.name, {}).get(kind) for kind in _kinds(unseen)]
    texts = (f"{100 * cell[0]:.1f} / {100 * cell[1]:.1f}" if cell else "" for cell in cells)
    return "".join(f"{text:>{_CELL}}" for text in texts)


def _coverage(accuracy: Accuracy) -> list[str]:
    stated = " / ".join(f"{100 * confidence:.0f}" for confidence in CONFIDENCES)
    lines = [
        "Share of measured rates, in %, that reach what is planned on at each confidence",
        f"{'':16}{stated:>{_CELL}}{_named_left_out(accuracy.unseen_coverage)}".rstrip(),
    ]
    for goal, shares in accuracy.coverage.items():
        unseen = accuracy.unseen_coverage.get(goal.name, {})
        cells = [shares, *(unseen.get(kind, ()) for kind in _kinds(accuracy.unseen_coverage))]
        texts = (" / ".join(f"{100 * share:.0f}" for share in some) for some in cells)
        lines.append((f"{goal.name:16}" + "".join(f"{text:>{_CELL}}" for text in texts)).rstrip())
    return lines


def _verdict(errors: Errors, goal: Goal) -> str:
    met = errors.meets(goal)
    return "" if met is None else "MET" if met else "MISSED"


def _cell(errors: Errors) -> str:
    return f"{100 * errors.median:.0f}/{100 * errors.p90:.0f} {100 * errors.bias:+.0f}"


def _ranking(rankings: Sequence[Ranking]) -> list[str]:
    lines = [f"Which of two GPUs does a job for less, where they differ by over {TELLING_RATIO - 1:.0%}"]
    for item in rankings:
        share = f"{item.right / item.pairs:.0%} right" if item.pairs else "no pairs"
        met = ("MET" if item.right >= RIGHT_SHARE * item.pairs else "MISSED") if item.pairs else ""
        lines.append(f"  {item.job:24}{item.basis:20}{item.pairs:>6} pairs   {share:12}{met}")
    return lines


def _dimension(judged: Sequence[Judged], name: str) -> list[str]:
    """A row per value, a column per set that has figures; a cell is median/p90 bias, and the figures below."""
    goals = [goal for goal, some in by_set(judged).items() if some]
    rows = [("", [goal.name for goal in goals])]
    for value, cells in by_dimension(judged, name).items():
        shown = [f"{_cell(cells[goal])} ({cells[goal].figures})" if goal in cells else "" for goal in goals]
        rows.append((value[:24], shown))
    widths = [max(17, *(len(texts[column]) + 2 for _, texts in rows)) for column in range(len(goals))]
    lines = [f"By {name}: median/p90 bias (figures), in %"]
    for value, texts in rows:
        line = "".join(f"{text:>{width}}" for text, width in zip(texts, widths, strict=True))
        lines.append(f"  {value:24}{line}".rstrip())
    return lines


def _left_out(accuracy: Accuracy) -> list[str]:
    lines = ["Left out"]
    for reason, details in by_reason(accuracy.left_out).items():
        named = ", ".join(f"{name} {count}" for name, count in details.most_common(6) if name)
        lines.append(f"{details.total():>6}  {reason}" + (f" ({named})" if named else ""))
    return lines


def as_json(accuracy: Accuracy) -> str:
    """The same as one JSON document; shares, not percent."""
    sets = []
    repeated, median = by_set(of_repeated(accuracy.judged)), by_set(by_their_median(accuracy.judged))
    for goal, some in by_set(accuracy.judged).items():
        errors = errors_of(some)
        sets.append(
            {
                "set": goal.name,
                "goal": {"median": goal.median, "p90": goal.p90} if goal.median else None,
                "errors": _numbers(errors),
                "met": errors.meets(goal) if errors else None,
                "errors_of_roofline": _numbers(errors_of(by_set(accuracy.roofline)[goal])),
                "errors_of_repeated": _numbers(errors_of(repeated[goal])),
                "errors_of_their_median": _numbers(errors_of(median[goal])),
                "coverage": dict(zip(map(str, CONFIDENCES), accuracy.coverage.get(goal, ()), strict=False)),
                "errors_left_out_of_fit": {
                    kind: {"median": pair[0], "p90": pair[1]}
                    for kind, pair in accuracy.unseen.get(goal.name, {}).items()
                    if kind != "here"
                },
            }
        )
    by: dict[str, Any] = {
        name: [
            {"value": value, "set": goal.name, "errors": _numbers(errors)}
            for value, cells in by_dimension(accuracy.judged, name).items()
            for goal, errors in cells.items()
        ]
        for name in DIMENSIONS
    }
    document = {
        "table": accuracy.table,
        "rows": accuracy.rows,
        "figures": len(accuracy.judged),
        "sets": sets,
        "rankings": [asdict(item) for item in accuracy.rankings],
        "by": by,
        "left_out": [
            {"reason": reason, "rows": details.total(), "details": dict(details)}
            for reason, details in by_reason(accuracy.left_out).items()
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _numbers(errors: Errors | None) -> dict[str, float | None] | None:
    """As JSON has numbers: null for the infinite, which an overloaded replica's TTFT is."""
    if errors is None:
        return None
    return {name: value if math.isfinite(value) else None for name, value in asdict(errors).items()}


def as_csv(judged: Sequence[Judged]) -> str:
    """A line per figure: its row, its set, measured and predicted in the unit of `what`, and the error."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([
        "line", "source", "model", "gpu", "gpu_count", "tp", "pp", "attn", "precision_weights", "precision_kv",
        "engine", "prompt_tokens", "output_tokens", "load", "set", "what", "measured", "predicted", "error",
    ])  # fmt: skip
    for item in judged:
        case, row = item.case, item.case.row
        writer.writerow([
            row.line, row.source, case.model.name, case.gpu.name, row.gpu_count, row.tp, row.pp, row.attn,
            case.served.weight_precision, case.served.kv_precision, row.engine, case.prompt, case.output, case.load,
            case.judged_in.name, case.how, case.measured, f"{item.predicted:.6g}", f"{item.error:.4f}",
        ])  # fmt: skip
    return out.getvalue()
