"""One line of line protocol at a time, as InfluxDB 2 reads it.

What is refused, and in which words, is what InfluxDB 2 refuses, also where that is odd: a newline
may stand within quotation marks, a tag may be `a==b`, a text may go on behind its quotation mark.
`tests/golden/line_protocol.ndjson` holds its answers.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

WHITE: Final = " \t\0"
COMMENT: Final = "#"
MAX_KEY: Final = 65_535
"""Bytes of measurement, tags and one field's name together."""
KEY_SEPARATOR: Final = 4
BYTES_PER_CHAR: Final = 4
RESERVED_TAGS: Final = frozenset({"\0", "_field", "_measurement", "time"})
BOOLEANS: Final = frozenset(["t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"])
NUMBER_BEGINS: Final = frozenset("0123456789.-Nn")
INT64: Final = range(-(2**63), 2**63)
UINT64: Final = range(2**64)
MAX_DIGITS: Final = 20
NANOSECONDS: Final = range(-(2**63) + 2, 2**63 - 1)
OUT_OF_RANGE: Final = f"time outside range {NANOSECONDS[0]} - {NANOSECONDS[-1]}"

MEASUREMENT: Final = re.compile(r"[^,][^, ]*+(?:(?<=\\)[, ][^, ]*+)*+")
TAG: Final = re.compile(
    r"([^ ,=][^ ,=]*+(?:(?<=\\)[ ,=][^ ,=]*+)*+)=([^ ,][^ ,=]*+(?:(?<=\\)[ ,=][^ ,=]*+)*+)"
)
# Values of which no closer look is needed; the others, and names with a backslash, are scanned.
_VALUE: Final = (
    r"(?:-?(?:[0-9]{1,99}\.?[0-9]{0,99}|\.[0-9]{1,99})(?:[eE][+-]?[0-9]{1,2})?"
    r'|-?[0-9]{1,18}i|[0-9]{1,18}u|[tTfF]|true|True|TRUE|false|False|FALSE|"(?:[^"\\]|\\.)*+")'
)
_FIELD: Final = rf"[^\\,= ]++={_VALUE}(?=[, ]|\Z)"
REST: Final = re.compile(
    rf"[ \t\0]*+({_FIELD}(?:,{_FIELD})*+)(?: [ \t\0]*+(-?[0-9]{{1,19}}+))? *+\Z", re.DOTALL
)
FIELD: Final = re.compile(r'([^\\,= ]++)=("(?:[^"\\]|\\.)*+"|[^, ]++)(?:,|\Z)', re.DOTALL)

INTEGER: Final = re.compile(r"-?[0-9]+i")
UNSIGNED: Final = re.compile(r"[0-9]+u")
FLOAT: Final = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
SCIENTIFIC: Final = re.compile(r"(?=[^eE]+[eE])[0-9.-](?:[0-9.eE]|(?<=[eE])[+-])*")
TICKS: Final = re.compile(r"-?[0-9]*")
MARK: Final = re.compile(r'[\\\n ",=]')
NAME_ESCAPES: Final = re.compile(r'\\([,"= ])')
TEXT_ESCAPES: Final = re.compile(r'\\([\\"])')


class BrokenLineError(ValueError):
    """A line that InfluxDB would refuse, with its words."""


@dataclass(frozen=True, slots=True)
class Point:
    """A line as it was sent: values of fields are still text, as `5i` or `"a"`."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, str]
    ticks: int | None


def parse(line: str, stamps: range = INT64) -> Point:
    """The point on a line that is neither blank nor a comment, without blanks in front.

    `stamps` are those that fit into 64 bits of nanoseconds.

    Raises
    ------
    BrokenLineError
        What is wrong with it.
    """
    measurement, tags, at = _key(line)
    if rest := REST.match(line, at):
        section, sent = rest.group(1, 2)
        fields = dict(FIELD.findall(section))
        _refuse_long(line, at, fields)
        ticks = _stamp(sent, stamps) if sent else None
        return Point(measurement, tags, fields, ticks)
    start = _past_white(line, at)
    end = _scan_fields(line, start)
    pairs = _walk_fields(line[start:end])
    _refuse_long(line, at, [name for name, _ in pairs])
    ticks = _ticks(line, end, stamps)
    return Point(measurement, tags, {_name(name): value for name, value in pairs}, ticks)


def number(value: str) -> float | None:
    """A field's value as a number; None where it is a text or a boolean."""
    if value[:1] not in NUMBER_BEGINS:
        return None
    try:
        return float(int(value[:-1]) if value[-1] in "iu" else value)
    except ValueError:  # the grammar lets some nonsense pass between quotation marks
        return None


def text(value: str) -> str | None:
    """A field's value as text; None where it is something else."""
    return TEXT_ESCAPES.sub(r"\1", value[1:-1]) if value[:1] == '"' else None


def lines(body: str) -> Iterator[tuple[int, str]]:
    """Each line with its number from 0; a quoted text may run over several."""
    at = row = 0
    while at < len(body):
        end = line_end(body, at)
        line = body[at:end]
        yield row, line.removesuffix("\n")  # a backslash may have hidden the body's last newline
        row += line.count("\n") + 1
        at = end + 1


def line_end(body: str, at: int) -> int:
    """Where the line that begins at `at` ends: a newline within quotation marks does not end it."""
    end = body.find("\n", at) % (len(body) + 1)
    if body.find('"', at, end) < 0 and body.find("\\", at, end) < 0:
        return end
    quoted = within_fields = False
    equals = commas = 0
    while mark := MARK.search(body, at):
        at, char = mark.start(), mark[0]
        if char == "\n" and not quoted:
            return at
        if char == "\\" and at + 2 < len(body):
            at += 1
        elif char == " ":
            within_fields = True
        elif char == '"' and equals > commas:
            quoted = not quoted
        elif within_fields and not quoted:
            equals += char == "="
            commas += char == ","
        at += 1
    return len(body)


# --- measurement and tags ----------------------------------------------------------------------


def _key(line: str) -> tuple[str, dict[str, str], int]:
    """Measurement and tags, and where they end."""
    found = MEASUREMENT.match(line)
    if found is None:
        raise BrokenLineError("missing measurement")
    tags, at = _scan_tags(line, found.end())
    names = [name for name, _ in tags]
    if reserved := next((name for name in names if name in RESERVED_TAGS), None):
        shown = reserved.replace("\0", r"\x00")
        raise BrokenLineError(f'cannot use reserved tag key "{shown}"')
    if len(set(names)) < len(names):
        raise BrokenLineError("duplicate tags")
    if at > MAX_KEY // BYTES_PER_CHAR and (size := len(line[:at].encode())) > MAX_KEY:
        raise BrokenLineError(f"max key length exceeded: {size} > {MAX_KEY}")
    measurement = found[0]
    if "\\" in line[:at]:
        return _name(measurement), {_tag(name): _tag(value) for name, value in tags}, at
    return measurement, dict(tags), at


def _scan_tags(line: str, at: int) -> tuple[list[tuple[str, str]], int]:
    """Tags as they were sent, and where they end."""
    tags = []
    while line[at : at + 1] == ",":
        at += 1
        tag = TAG.match(line, at)
        if tag is None:
            nameless = line[at : at + 1] in ("", " ", ",", "=")
            raise BrokenLineError(f"missing tag {'key' if nameless else 'value'}")
        tags.append((tag[1], tag[2]))
        at = tag.end()
    if at == len(line):
        raise BrokenLineError("missing fields")
    if line[at] != " ":
        raise BrokenLineError("invalid tag format")
    return tags, at


def _tag(sent: str) -> str:
    return sent.replace(r"\,", ",").replace(r"\ ", " ").replace(r"\=", "=")


def _name(sent: str) -> str:
    return NAME_ESCAPES.sub(r"\1", sent) if "\\" in sent else sent


def _refuse_long(line: str, at: int, names: dict[str, str] | list[str]) -> None:
    if len(line) <= MAX_KEY // BYTES_PER_CHAR:
        return
    key = len(line[:at].encode())
    for name in names:
        size = key + KEY_SEPARATOR + len(name.encode())
        if size > MAX_KEY:
            raise BrokenLineError(f"max key length exceeded: {size} > {MAX_KEY}")


# --- fields and time ---------------------------------------------------------------------------


def _past_white(line: str, at: int) -> int:
    while at < len(line) and line[at] in WHITE:
        at += 1
    return at


def _scan_fields(line: str, at: int) -> int:
    """Where the fields end that begin at `at`."""
    quoted = False
    equals = commas = 0
    while at < len(line) and (quoted or line[at] != " "):
        char = line[at]
        if char == "\\" and at + 1 < len(line):
            at += 2
        elif char == "=" and not quoted:
            equals += 1
            at = _scan_value(line, at)
        else:
            if char == '"' and equals > commas:
                quoted = not quoted
            elif char == "," and not quoted:
                commas += 1
            at += 1
    if quoted:
        raise BrokenLineError("unbalanced quotes")
    if equals == 0 or commas != equals - 1:
        raise BrokenLineError("invalid field format")
    return at


def _scan_value(line: str, at: int) -> int:
    """Where the number or boolean ends behind the equals sign at `at`, or where a text begins."""
    if line[at - 1] in " ," and line[at - 2] != "\\":
        raise BrokenLineError("missing field key")
    at += 1
    ends = (line.find(mark, at) for mark in ", ")
    end = min((place for place in ends if place >= 0), default=len(line))
    value = line[at:end]
    if not value:
        raise BrokenLineError("missing field value")
    if value[0] == '"':
        return at
    problem = _no_number(value) if value[0] in NUMBER_BEGINS else _no_boolean(value)
    if problem:
        raise BrokenLineError(problem)
    return end


def _no_boolean(value: str) -> str | None:
    return None if value in BOOLEANS else "invalid boolean"


def _no_number(value: str) -> str | None:
    """What is wrong with a number."""
    digits = value[:-1]
    if INTEGER.fullmatch(value):
        within = _within(digits, INT64)
        return None if within else f"unable to parse integer {digits}: {_beyond('Int', digits)}"
    if UNSIGNED.fullmatch(value):
        within = _within(digits, UINT64)
        return None if within else f"unable to parse unsigned {digits}: {_beyond('Uint', digits)}"
    if FLOAT.fullmatch(value):
        return None if math.isfinite(float(value)) else "invalid float"
    cut = SCIENTIFIC.fullmatch(value) and value.count(".") <= 1
    return "invalid float" if cut else "invalid number"


def _within(digits: str, bounds: range) -> bool:
    significant = digits.lstrip("-0")
    return (
        len(significant) <= MAX_DIGITS
        and int(significant or "0") * (-1 if digits[0] == "-" else 1) in bounds
    )


def _beyond(kind: str, digits: str) -> str:
    return f'strconv.Parse{kind}: parsing "{digits}": value out of range'


def _walk_fields(section: str) -> list[tuple[str, str]]:
    """Names as they were sent, and values."""
    pairs = []
    at = 0
    while at < len(section):
        equals = at
        while equals < len(section) and not (
            section[equals] == "=" and (equals == at or section[equals - 1] != "\\")
        ):
            equals += 1
        name = section[at:equals]
        if equals > len(section) - 2:
            raise BrokenLineError(f"invalid value: field-key={name}")
        end = _value_end(section, equals + 1)
        pairs.append((name, section[equals + 1 : end]))
        at = end + 1
    return pairs


def _value_end(section: str, at: int) -> int:
    quoted = False
    while at < len(section):
        char = section[at]
        if char == "\\" and section[at + 1 : at + 2] in ('"', "\\"):
            at += 2
            continue
        if char == '"':
            quoted = not quoted
        elif char == "," and not quoted:
            break
        at += 1
    return at


def _ticks(line: str, at: int, stamps: range) -> int | None:
    """The stamp that begins behind the blanks at `at`; None where there is none."""
    at = _past_white(line, at)
    found = TICKS.match(line, at)
    assert found is not None
    sent, end = found[0], found.end()
    if end < len(line) and line[end] not in " \n":
        raise BrokenLineError("bad timestamp")
    if not sent:
        return None
    if sent == "-":
        raise BrokenLineError('strconv.ParseInt: parsing "-": invalid syntax')
    ticks = _stamp(sent, stamps)
    if line[end:].strip(" "):
        raise BrokenLineError("point is invalid")
    return ticks


def _stamp(sent: str, stamps: range) -> int:
    if not _within(sent, INT64):
        raise BrokenLineError(_beyond("Int", sent))
    ticks = int(sent)
    if ticks not in stamps:
        raise BrokenLineError(OUT_OF_RANGE)
    return ticks
