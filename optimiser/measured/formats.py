"""The formats that benchmarks come in, told apart by what is in them, never by a file's name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from optimiser.errors import UsageError, bad_value
from optimiser.measured import aiperf, guidellm, plain_csv, trtllm_bench, vllm_serve
from optimiser.measured.reading import Reading

# A report with every request in it is large; more than this is none.
LARGEST_BYTES = 1 << 30
# What spreadsheets put between columns where the comma is the decimal one; which of the two it is then is not told.
_OTHER_SEPARATORS = (";", "\t", "|")

Sniffer = Callable[[Any], bool]
Reader = Callable[[Any, str], Iterator[Reading]]

JSON_FORMATS: dict[str, tuple[Sniffer, Reader]] = {
    vllm_serve.FORMAT: (vllm_serve.is_vllm_serve, vllm_serve.read_vllm_serve),
    guidellm.FORMAT: (guidellm.is_guidellm, guidellm.read_guidellm),
    aiperf.FORMAT: (aiperf.is_aiperf, aiperf.read_aiperf),
    trtllm_bench.FORMAT: (trtllm_bench.is_trtllm_report, trtllm_bench.read_trtllm),
}
_KNOWN = (
    "known are the JSON of vllm bench serve, GuideLLM, GenAI-Perf, AIPerf and trtllm-bench, the table that "
    "trtllm-bench prints, and CSV with a header line (config/README.md, Measurements)"
)


def read_benchmarks(path: Path, content: bytes) -> list[Reading]:
    """Every run that the file tells, in order. Raises UsageError for a file that none of the formats explains."""
    try:
        words = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is no text in UTF-8: {_KNOWN}") from None
    # A log's first line may begin with "[", too.
    if trtllm_bench.is_trtllm_table(words):
        return list(trtllm_bench.read_trtllm(trtllm_bench.table_as_report(words, str(path)), str(path)))
    if words.lstrip()[:1] in ("{", "["):
        return _from_json(words, str(path))
    first = words.lstrip().partition("\n")[0]
    if "," in first and "prompt_tokens" in first:
        return list(plain_csv.read_csv(path))
    for separator in _OTHER_SEPARATORS:
        if separator in first and "prompt_tokens" in first:
            right = "columns must be separated by commas, and numbers have a decimal point (5.88)"
            raise bad_value(f"{path} line 1", "separator", separator, right)
    raise UsageError(f"{path}: {'is empty' if not words.strip() else 'is of no format known here'}: {_KNOWN}")


def _from_json(words: str, where: str) -> list[Reading]:
    """Runs of one JSON document, or of several one after the other, as --append-result writes them."""
    # A list holds runs as several documents do.
    documents = [
        run
        for data in _documents(words, where)
        for run in (data if isinstance(data, list) and data else [data])
    ]
    found: list[Reading] = []
    for place, data in enumerate(documents, start=1):
        at = f"{where} document {place}" if len(documents) > 1 else where
        reader = next((read for sniff, read in JSON_FORMATS.values() if sniff(data)), None)
        if reader is None:
            raise UsageError(f"{at}: is JSON of no format known here: {_KNOWN}")
        found += reader(data, at)
    return found


def _documents(words: str, where: str) -> Iterator[Any]:
    decoder, place = json.JSONDecoder(), 0
    while words[place:].strip():
        place += len(words[place:]) - len(words[place:].lstrip())
        try:
            data, place = decoder.raw_decode(words, place)
        except (ValueError, RecursionError) as error:
            line = (
                f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
            )
            raise UsageError(f"{where}: not valid JSON: {line}") from None
        yield data
