"""JSON and NDJSON bodies: columns at once where all is well, row by row where it is not."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from io import BytesIO
from operator import or_
from typing import Any, Final

import polars as pl

from wattbook.core.errors import Problem, UndecodableError
from wattbook.core.frames import RAW_GRID, Contract
from wattbook.core.readings.checks import RejectReason
from wattbook.core.readings.merge import BITS, EXPLICIT, bits
from wattbook.sources.codecs import rows
from wattbook.sources.codecs.rows import Decoded

BOM: Final = b"\xef\xbb\xbf"
FIRST_BYTES: Final = 65_536
"""Within so many bytes the first row must end for its keys to choose the columns."""
INTEGER_DIGITS: Final = 400
"""Longer integers are beyond any float, and Python refuses those of 4,300 digits."""
MAX_WHOLE: Final = 2.0**53
OBJECTS_PER_ROW: Final = 2
NOT_TEXT: Final = {
    "timestamp": RejectReason.BAD_TIMESTAMP,
    "start": RejectReason.BAD_TIMESTAMP,
    "start_utc": RejectReason.BAD_TIMESTAMP,
    "quality": RejectReason.BAD_QUALITY,
    "currency": RejectReason.BAD_CURRENCY,
}
"""Reasons for values that are no text; `bad_row` for the other columns, which are ids."""
LIKE_NO_ID: Final = r"^(?:-?[0-9][0-9.eE+-]*|true|false)$|^[\[{]"
"""How Polars spells an id that was sent as a number, a boolean, a list or an object."""
FAILURES: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OSError)

Fields = Mapping[str, pl.DataType | type[pl.DataType]]
Schema = dict[str, pl.DataType | type[pl.DataType]]
Read = Callable[[Schema], pl.DataFrame]


def decode_ndjson(body: bytes, contract: Contract, *, max_rows: int = 2**32 - 1) -> Decoded:
    """Rows of a body with one JSON object on each line; blank lines are no rows."""
    body = body.removeprefix(BOM)
    if len(body) > 2 * max_rows:  # the shortest row is `{}`
        rows.refuse_more(sum(1 for line in body.split(b"\n") if line.strip()), max_rows)
    frame, keys = ndjson_rows(body, rows.fields(contract))
    rows.refuse_more(frame.height, max_rows)
    return Decoded(rows.fold_aliases(frame, contract), rows.ignored(keys, contract))


def decode_json(body: bytes, contract: Contract, *, max_rows: int = 2**32 - 1) -> Decoded:
    """Rows of a JSON array, of an object that holds one, or of a single object.

    Raises
    ------
    UndecodableError
        The body is no JSON (with the position), or JSON without rows.
    TooLargeError
        It has more than `max_rows` rows.
    """
    body = body.removeprefix(BOM)
    if len(body) > 2 * max_rows and _openers(body) > OBJECTS_PER_ROW * max_rows:
        rows.refuse_more(max_rows + 1, max_rows)
    frame, keys = json_rows(body, rows.fields(contract), envelopes(contract), max_rows)
    return Decoded(rows.fold_aliases(frame, contract), rows.ignored(keys, contract))


def _openers(body: bytes) -> int:
    """How many objects and arrays there may be: one for each row, and few besides."""
    return body.count(b"{") + body.count(b"[")


def envelopes(contract: Contract) -> tuple[str, ...]:
    """Keys under which an object may hold the rows."""
    return ("rows", "readings") if contract.name == RAW_GRID.name else ("readings",)


def json_rows(
    body: bytes, fields: Fields, names: tuple[str, ...], max_rows: int = 2**32 - 1
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The `fields` of each object, with `row` from 0, and the keys of the first.

    `names` are the keys under which an object may hold the rows.
    """
    array = _array(body, names)
    if array is not None:
        first = _first_object(array[:FIRST_BYTES])
        frame = _columns(
            array, fields, first, lambda schema: pl.read_json(BytesIO(array), schema=schema), 1
        )
        if frame is not None:
            rows.refuse_more(frame.height, max_rows)
            return frame, tuple(map(rows.printable, first or ()))
    objects = _objects(_loads(body), names)
    rows.refuse_more(len(objects), max_rows)
    pile = _Pile(fields)
    for item in objects:
        pile.add(item, None)
    sent = objects[0] if objects and isinstance(objects[0], dict) else {}
    return pile.frame(), tuple(map(rows.printable, sent))


def ndjson_rows(
    body: bytes, fields: Fields, first_line: int = 1
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The `fields` of each line, with `row` from 0, and the keys of the first line.

    Columns that no line has are left out. `first_line` is the number, in the file, of the line
    with which the body begins.
    """
    first = _first_line(body)
    frame = _columns(
        body, fields, first, lambda schema: pl.read_ndjson(BytesIO(body), schema=schema), 0
    )
    if frame is None:
        pile = _Pile(fields)
        for number, line in enumerate(body.split(b"\n"), start=first_line):
            if line.strip():
                pile.add_line(line, number)
        frame = pile.frame()
    return frame, tuple(map(rows.printable, first or ()))


# --- all rows at once --------------------------------------------------------------------------


def _columns(
    body: bytes, fields: Fields, first: dict[str, Any] | None, read: Read, between: int
) -> pl.DataFrame | None:
    """The rows, decoded by Polars; None where that would lose or change what was sent.

    Polars is fastest when it is told only the columns that occur, so those of the first row are
    tried, and the answer is kept if no row can hold another one. `between` is the number of
    commas that stand between two rows.
    """
    names = [name for name in fields if first is None or name in first]
    try:
        frame = read({name: _read_as(fields[name]) for name in names})
        if first is None or not _all_alike(body, frame, first, between):
            later = [name for name in fields if name not in names and _occurs(name, body)]
            if later:
                names += later
                frame = read({name: _read_as(fields[name]) for name in names})
            if _text_from_other_types(body, frame, fields) or _nul_from_surrogate(body, frame):
                return None
        if between and _numbers_from_booleans(body, frame):
            return None
    except FAILURES:
        return None
    whole = _whole(frame, fields)
    said = None if whole is None else _with_nulls_sent(body, whole)
    return None if said is None else said.with_row_index("row")


def _with_nulls_sent(body: bytes, frame: pl.DataFrame) -> pl.DataFrame | None:
    """The rows with `EXPLICIT`, where nulls were sent; None where only some of a column's were."""
    lacking = [name for name in frame.columns if name in BITS and frame[name].null_count()]
    if not lacking or b"null" not in body:
        return frame
    if _escapes(body):
        return None
    cleared = []
    for name in lacking:
        sent = len(re.findall(rf'"{name}"\s*:\s*null'.encode(), body))
        if sent == frame[name].null_count():
            cleared.append(pl.col(name).is_null().cast(pl.UInt32) * BITS[name])
        elif sent:
            return None
    if not cleared:
        return frame
    return frame.with_columns(reduce(or_, cleared).cast(pl.UInt32).alias(EXPLICIT))


def _read_as(dtype: pl.DataType | type[pl.DataType]) -> pl.DataType | type[pl.DataType]:
    """Integers are read as floats: Polars would cut their fractions off without a word."""
    return pl.String if dtype == pl.String else pl.Float64


def _all_alike(body: bytes, frame: pl.DataFrame, first: dict[str, Any], between: int) -> bool:
    """Whether a count of marks proves that each row has just the keys of the first, in its types.

    Without escapes, every key takes two quotation marks and every text two; a row has a comma
    fewer than keys. With every value there, or an explicit null, another key in any row would
    show in the commas, and a text column filled with something else in the quotation marks.
    Commas within texts only make the proof fail.
    """
    if frame.width != len(first) or not frame.height or b"\\" in body:
        return False
    nulls = frame.null_count().row(0)
    texts = sum(
        frame.height - count
        for count, dtype in zip(nulls, frame.dtypes, strict=True)
        if dtype == pl.String
    )
    commas = frame.height * (frame.width - 1) + between * (frame.height - 1)
    quotes = 2 * (frame.height * frame.width + texts)
    return (
        body.count(b",") == commas
        and body.count(b'"') == quotes
        and (not sum(nulls) or _nulls_of_its_keys(body, frame, sum(nulls)))
    )


def _nulls_of_its_keys(body: bytes, frame: pl.DataFrame, nulls: int) -> bool:
    """Whether all nulls were sent under the keys of the frame.

    A row that has another key with a null, in place of one of these, has as many marks.
    """
    each_key = (body.count(f'"{name}"'.encode()) == frame.height for name in frame.columns)
    return body.count(b"null") == nulls and all(each_key)


def _occurs(name: str, body: bytes) -> bool:
    """Whether some row may have this key: it stands there, or something is escaped."""
    return f'"{name}"'.encode() in body or _escapes(body)


def _escapes(body: bytes) -> bool:
    # One byte is found ten times faster than two, and most bodies have no backslash.
    return b"\\" in body and b"\\u" in body


def _text_from_other_types(body: bytes, frame: pl.DataFrame, fields: Fields) -> bool:
    """Whether an id was sent as something else than text, which Polars spells out silently."""
    ids = [
        name
        for name in frame.columns
        if fields[name] == pl.String
        and name not in NOT_TEXT
        and frame[name].unique().str.contains(LIKE_NO_ID).any()
    ]
    if not ids:
        return False
    if _escapes(body):
        return True
    keys = "|".join(re.escape(name) for name in ids)
    return re.search(rf'"(?:{keys})"\s*:\s*(?!null)[^"\s]'.encode(), body) is not None


def _nul_from_surrogate(body: bytes, frame: pl.DataFrame) -> bool:
    """Whether there is a NUL, into which Polars also turns half a surrogate pair."""
    if not _escapes(body):
        return False
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
    return any(frame[name].str.contains("\0", literal=True).any() for name in texts)


def _numbers_from_booleans(body: bytes, frame: pl.DataFrame) -> bool:
    """Whether a number was sent as true or false, which read_json makes 1 and 0."""
    numbers = frame.select(pl.selectors.numeric())
    if not numbers.width or not numbers.height:
        return False
    ones, zeros = numbers.select(
        ones=pl.any_horizontal((pl.all() == 1).any()),
        zeros=pl.any_horizontal((pl.all() == 0).any()),
    ).row(0)
    return bool((ones and b"true" in body) or (zeros and b"false" in body))


def _whole(frame: pl.DataFrame, fields: Fields) -> pl.DataFrame | None:
    """Integer columns as integers; None where a value has a fraction or is too large."""
    for name in frame.columns:
        if fields[name] in (pl.String, pl.Float64):
            continue
        value = frame[name]
        if not ((value == value.floor()) & (value.abs() <= MAX_WHOLE)).all():
            return None
        frame = frame.with_columns(value.cast(fields[name]))
    return frame


def _first_line(body: bytes) -> dict[str, Any] | None:
    """The object on the first line that is not blank; None where that is not clear."""
    begin = body[:FIRST_BYTES].lstrip()
    line, newline, _ = begin.partition(b"\n")
    if not newline and len(body) > FIRST_BYTES:
        return None
    try:
        item = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) else None


def _first_object(array: bytes) -> dict[str, Any] | None:
    """The object with which an array begins; None where that is not clear."""
    text = array.lstrip()[1:].lstrip().decode("utf-8", "ignore")
    try:
        item, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return item if isinstance(item, dict) else None


def _array(body: bytes, names: Iterable[str]) -> bytes | None:
    """The array that is the body, or that an object with nothing else in it holds.

    Where there is more, the bytes between are no array, and reading them fails.
    """
    if body[:FIRST_BYTES].lstrip()[:1] == b"[":
        return body
    opening = re.match(rf'\s*\{{\s*"(?:{"|".join(names)})"\s*:\s*(?=\[)'.encode(), body)
    if opening is None:
        return None
    inside = body.rstrip()
    return inside[opening.end() : -1] if inside[-1:] == b"}" else None


# --- row by row --------------------------------------------------------------------------------


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < INTEGER_DIGITS else float(digits)


def _first_of_each_key(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which, as with Polars, the first of two equal keys counts."""
    item = dict(pairs)
    return item if len(item) == len(pairs) else {**dict(reversed(pairs))}


def _parse(text: str) -> Any:
    return json.loads(text, parse_int=_integer, object_pairs_hook=_first_of_each_key)


def _loads(body: bytes) -> Any:
    """The body as Python objects, or an error that says where it is broken."""
    try:
        return _parse(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        detail = f"byte {error.start} is not UTF-8"
    except json.JSONDecodeError as error:
        detail = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except RecursionError:
        detail = "nested too deeply"
    raise UndecodableError(f"not JSON: {detail}", [Problem("bad_json", detail)])


def _objects(document: Any, names: Iterable[str]) -> list[Any]:
    """The rows in a document: an array, one within an object, or the object itself."""
    if isinstance(document, list):
        return document
    if isinstance(document, dict):
        for name in names:
            if name in document:
                held = document[name]
                if isinstance(held, list):
                    return held
                detail = f"{name}: must be an array of objects, but is {_shown(held)}"
                problem = Problem("bad_json", detail, field=name)
                raise UndecodableError(f"no rows: {detail}", [problem])
        return [document]
    detail = f"must be an array of objects, but is {_shown(document)}"
    raise UndecodableError(f"no rows: {detail}", [Problem("bad_json", detail)])


def _shown(value: Any) -> str:
    """A value, short enough for a message."""
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "an object"
    text = json.dumps(value, ensure_ascii=False)
    return rows.printable(text[: rows.SHOWN_LENGTH])


@dataclass(slots=True)
class _Pile:
    """Rows one by one, each with the reason for which it cannot be read."""

    fields: Fields
    values: dict[str, list[Any]] = field(init=False)
    verdicts: list[tuple[str | None, str | None, str | None]] = field(default_factory=list)
    explicit: list[int] = field(default_factory=list)
    """For each row the bits of the values that were sent as null."""

    def __post_init__(self) -> None:
        self.values = {name: [] for name in self.fields}

    def add_line(self, line: bytes, number: int) -> None:
        try:
            self.add(_parse(line.decode("utf-8")), line)
        except UnicodeDecodeError as error:
            self._refuse(f"line {number}: byte {error.start} is not UTF-8", line)
        except json.JSONDecodeError as error:
            self._refuse(f"line {number}, column {error.colno}: {error.msg}", line)
        except RecursionError:
            self._refuse(f"line {number}: nested too deeply", line)

    def add(self, item: Any, line: bytes | None) -> None:
        if not isinstance(item, dict):
            self._refuse(f"must be an object, but is {_shown(item)}", _as_sent(item, line))
            return
        wrong: list[tuple[str, str]] = []
        nulls = [name for name in self.fields if name in BITS and item.get(name, 0) is None]
        self.explicit.append(bits(nulls))
        for name, dtype in self.fields.items():
            value, problem = _read(item.get(name), name, dtype)
            self.values[name].append(value)
            if problem:
                wrong.append(problem)
        if wrong:
            detail = "; ".join(said for _, said in wrong)
            self.verdicts.append((wrong[0][0], detail, rows.evidence(_as_sent(item, line))))
        else:
            self.verdicts.append((None, None, None))

    def frame(self) -> pl.DataFrame:
        columns = [
            pl.Series(name, values, dtype=self.fields[name])
            for name, values in self.values.items()
            if any(value is not None for value in values)
        ]
        verdicts = pl.DataFrame(
            self.verdicts,
            schema={"reason": pl.String, "detail": pl.String, "raw": pl.String},
            orient="row",
        )
        if any(self.explicit):
            columns.append(pl.Series(EXPLICIT, self.explicit, dtype=pl.UInt32))
        return verdicts.with_row_index("row").with_columns(columns)

    def _refuse(self, detail: str, raw: bytes | str) -> None:
        for values in self.values.values():
            values.append(None)
        self.explicit.append(0)
        self.verdicts.append((str(RejectReason.BAD_ROW), detail, rows.evidence(raw)))


def _as_sent(item: Any, line: bytes | None) -> bytes | str:
    if line is not None:
        return line
    try:
        return json.dumps(item, ensure_ascii=False)
    except RecursionError:
        return ""


def _read(
    value: Any, name: str, dtype: pl.DataType | type[pl.DataType]
) -> tuple[Any, tuple[str, str] | None]:
    """A value in its column's type, or the reason and the detail why it has none."""
    if value is None:
        return None, None
    if dtype == pl.String:
        if isinstance(value, str):
            return rows.printable(value), None
        reason = NOT_TEXT.get(name, RejectReason.BAD_ROW)
        want = rows.STAMP if reason is RejectReason.BAD_TIMESTAMP else "text"
    elif isinstance(value, bool) or not isinstance(value, int | float):
        reason, want = RejectReason.NOT_A_NUMBER, "a number"
    else:
        number = _float(value)
        if dtype == pl.Float64:
            return number, None
        if number.is_integer() and abs(number) <= MAX_WHOLE:
            return int(number), None
        reason, want = RejectReason.BAD_INTERVAL, "whole seconds"
    return None, (str(reason), f"{name}: must be {want}, but is {_shown(value)}")


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
