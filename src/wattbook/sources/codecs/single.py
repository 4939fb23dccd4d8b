"""One reading as a JSON object, for the path where readings come one by one."""

from typing import Any, Final

import orjson

from wattbook.core.errors import InputError, Problem, UndecodableError
from wattbook.core.frames import SENT_VALUES
from wattbook.core.readings.merge import EXPLICIT, bits
from wattbook.sources.codecs.rows import STAMP

TEXTS: Final = ("site_id", "meter_id", "timestamp", "quality")


def decode_single(body: bytes) -> dict[str, Any]:
    """The columns of `frames.RAW_READINGS` that the object has.

    Raises
    ------
    UndecodableError
        The body is no JSON object.
    InputError
        With a problem for each field of the wrong type.
    """
    try:
        sent = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        detail = f"line {error.lineno}, column {error.colno}: {error.msg}"
        problem = Problem("broken_json", detail, field="body")
        raise UndecodableError(f"the body is not JSON: {detail}", [problem]) from error
    if not isinstance(sent, dict):
        detail = f"must be one reading as a JSON object, but is {type(sent).__name__}"
        raise UndecodableError(detail, [Problem("bad_row", detail, field="body")])
    return _typed(sent)


def _typed(sent: dict[str, Any]) -> dict[str, Any]:
    if "device_id" in sent and sent.get("meter_id") is None:
        sent["meter_id"] = sent["device_id"]
    row: dict[str, Any] = {}
    problems = []
    nulls = bits(name for name in SENT_VALUES if sent.get(name, 0) is None)
    if nulls:
        row[EXPLICIT] = nulls
    for name in SENT_VALUES:
        value = sent.get(name)
        if isinstance(value, float | int) and not isinstance(value, bool):
            row[name] = float(value)
        elif value is not None:
            problems.append(
                Problem("not_a_number", f"must be a number, but is {value!r:.80}", name)
            )
    for name in TEXTS:
        value = sent.get(name)
        if isinstance(value, str):
            row[name] = value
        elif value is not None:
            want = STAMP if name == "timestamp" else "text"
            problems.append(Problem("bad_row", f"must be {want}, but is {value!r:.80}", name))
    if problems:
        named = "; ".join(f"{problem.field}: {problem.detail}" for problem in problems)
        raise InputError(named, problems)
    return row
