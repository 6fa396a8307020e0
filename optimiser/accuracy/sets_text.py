"""The report's first table: every set's errors and goals, and whether they are met by what the fit never saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from optimiser.accuracy.result import Accuracy, Unseen
from optimiser.accuracy.sets import GENERATION_LEFT_OUT, Goal
from optimiser.accuracy.summary import HIGHEST_LOAD_SHARE, Errors, Judged, by_set, errors_of
from optimiser.accuracy.verdicts import GENERATION, ROWS, Verdict

# As config/performance.yaml names what was left out of a fit, and as the report does; what decides comes first.
_LEFT_OUT_OF_FIT = {
    ROWS: "fifth of rows out",
    GENERATION: "generation out",
    "model_left_out": "model out",
    "gpu_left_out": "GPU out",
}
CELL = 19
_VERDICT = 8


def sets_text(accuracy: Accuracy) -> list[str]:
    """Lines: how many figures, which column decides, a row per set."""
    rows = len({item.case.row.line for item in accuracy.judged})
    beside = " " * _VERDICT + "  roofline on the same: median, p90, bias" if accuracy.roofline else ""
    unseen = left_out_heads(accuracy.unseen, {ROWS: _VERDICT, GENERATION: _VERDICT})
    head = f"{'error in %':16}{'figures':>8}{'median':>8}{'p90':>8}{'bias':>9}   {'goal':9}{unseen}{beside}"
    return [
        f"{accuracy.table}: {len(accuracy.judged):,} figures of {rows:,} of its {accuracy.rows:,} rows",
        "",
        *_told_of_verdicts(accuracy),
        "",
        head.rstrip(),
        *(_of_set(accuracy, goal, some) for goal, some in by_set(accuracy.judged).items()),
        "",
        "Errors are predicted/measured − 1; median and p90 of their size, bias the median with its sign.",
        f"TTFT open loop: below {HIGHEST_LOAD_SHARE:.0%} of the highest rate.",
    ]


def _of_set(accuracy: Accuracy, goal: Goal, judged: Sequence[Judged]) -> str:
    errors = errors_of(judged)
    wanted = _pair((goal.median, goal.p90), digits=0) if goal.median and goal.p90 else ""
    if errors is None:
        return f"{goal.name:16}{0:>8}{'':25}   {wanted:9} no rows"
    verdict = accuracy.verdict_on(goal, errors)
    line = f"{goal.name:16}{errors.figures:>8}{_figures(errors)}   {wanted:9}"
    if accuracy.unseen:
        return (line + _left_out_of_fit(accuracy.unseen, goal, verdict)).rstrip()
    beside = errors_of(by_set(accuracy.roofline)[goal])
    return (line + f" {met_text(verdict.met):{_VERDICT}}" + (_figures(beside) if beside else "")).rstrip()


def _told_of_verdicts(accuracy: Accuracy) -> list[str]:
    """Which column decides, and why."""
    on, engine = accuracy.fitted_on, accuracy.fitted_engine
    if not on:
        return ["Nothing was fitted to this table. MET or MISSED: median and p90 of all figures."]
    what = f"the pace of {engine}" if engine else "config/performance.yaml"
    head = f"Fitted to this table ({on}): {what}. Median, p90 and bias of all figures are in sample."
    if not accuracy.unseen:
        return [
            head,
            "MET or MISSED is by them all the same: of the model, measured operators alone were not fitted.",
        ]
    lines = [
        head,
        "MET or MISSED: the goal by rows the fit never saw, five fits each without a fifth of them (others of the same",
    ]
    if engine:
        return [
            *lines,
            "set-up may have been in it). The GPUs' own shares are of another table: no verdict on those.",
        ]
    goal = _pair((GENERATION_LEFT_OUT.median, GENERATION_LEFT_OUT.p90), digits=0)
    return [
        *lines,
        f"set-up may have been in it); and fits without the GPU generation by {goal}, in every set that has a goal.",
    ]


def _figures(errors: Errors) -> str:
    return f"{percent(errors.median):>8}{percent(errors.p90):>8}{percent(errors.bias, '+'):>9}"


def percent(share: float, sign: str = "") -> str:
    """In at most 7 characters and the sign, which columns have room for: 9.7, 77,158, 1.2e+07."""
    value = 100 * share
    size = abs(value)
    return format(value, f"{sign}.1f" if size < 1e3 else f"{sign},.0f" if size < 999_999.5 else f"{sign}.1e")


def kinds_of(unseen: Unseen) -> list[str]:
    """What of _LEFT_OUT_OF_FIT is known."""
    return [kind for kind in _LEFT_OUT_OF_FIT if any(kind in some for some in unseen.values())]


def left_out_heads(unseen: Unseen, gaps: Mapping[str, int] = MappingProxyType({})) -> str:
    """The heads of their columns, and the gap behind each."""
    heads = (f"{_LEFT_OUT_OF_FIT[kind]:>{CELL}}{'':{gaps.get(kind, 0)}}" for kind in kinds_of(unseen))
    return "".join(heads).rstrip()


def _left_out_of_fit(unseen: Unseen, goal: Goal, verdict: Verdict) -> str:
    told = {
        ROWS: f" {met_text(verdict.met):{_VERDICT - 1}}",
        GENERATION: f" {met_text(verdict.generation_met):{_VERDICT - 1}}",
    }
    some = unseen.get(goal.name, {})
    cells = ((_pair(some[kind]) if kind in some else "", told.get(kind, "")) for kind in kinds_of(unseen))
    return "".join(f"{cell:>{CELL}}{word}" for cell, word in cells)


def _pair(errors: Sequence[float | None], digits: int = 1) -> str:
    return " / ".join(f"{100 * (one or 0.0):.{digits}f}" for one in errors)


def met_text(met: bool | None) -> str:
    """MET, MISSED, or nothing where nothing tells."""
    return "" if met is None else "MET" if met else "MISSED"
