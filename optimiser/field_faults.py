"""What pydantic found wrong with a field, in the words of every message: "must be at least 0"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from optimiser.errors import UsageError, bad_value, did_you_mean
from optimiser.files import no_such_day

# Names are printed on terminals, which obey control characters.
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]*$"
_RIGHT = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "date_from_datetime_inexact": "must be a date",
    "date_from_datetime_parsing": "must be a date",
    "date_parsing": "must be a date",
    "date_type": "must be a date",
    "datetime_from_date_parsing": "must be a time",
    "datetime_parsing": "must be a time",
    "datetime_type": "must be a time",
    "dict_type": "must be a mapping of fields",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a far smaller whole number",
    "int_type": "must be a whole number",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "model_type": "must be a mapping of fields",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "too_short": "must have at least one entry",
    "tuple_type": "must be a list",
    "value_error": "must be {error}",
}


def right_of(fault: Mapping[str, Any], known: FieldInfo | None) -> str:
    """What would be right instead, of one entry of ValidationError.errors() and the field it is of."""
    words, told = _RIGHT.get(fault["type"]), fault.get("ctx", {})
    if fault["type"] == "int_parsing_size" and known is not None:
        # pydantic gives up on such numbers before it looks at the field's limits.
        limits = [part.le for part in known.metadata if hasattr(part, "le")]
        words, told = (_RIGHT["less_than_equal"], {"le": limits[0]}) if limits else (words, told)
    if no_such_day(fault["input"]):
        return "there is no such day"
    if told.get("pattern") == ONE_LINE:
        return "must be one line without control characters"
    return words.format(**told) if words else str(fault["msg"])


def first_fault(
    where: str, error: ValidationError, sections: Mapping[tuple[str, ...], type[BaseModel]]
) -> UsageError:
    """The first thing wrong in a file, by file, field and value; sections are its models by the names leading there."""
    # A misspelt field also leaves the right one missing, so unknown names come first.
    faults = sorted(error.errors(include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    location = fault["loc"]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    names = tuple(part for part in location if isinstance(part, str))
    section = sections.get(names[:-1])
    if fault["type"] == "extra_forbidden" and section is not None:
        right = f"no such field; {did_you_mean(names[-1], section.model_fields)}"
        return bad_value(where, field, fault["input"], right)
    known = section.model_fields.get(names[-1]) if section is not None and names else None
    about = known.description if known is not None and known.description else ""
    if fault["type"] == "missing":
        return UsageError(f"{where}: {field} is missing: {about or 'it is required'}")
    right = right_of(fault, known)
    return bad_value(where, field, fault["input"], f"{right} ({about})" if about else right)
