"""Bodies in any format become raw rows; text is read as files are."""

from typing import Final

import polars as pl

from wattbook.core.errors import InputError, Problem
from wattbook.core.frames import Contract
from wattbook.sources import codecs
from wattbook.sources.codecs import Decoded
from wattbook.sources.files.options import Options, registered_interval
from wattbook.sources.files.reader import read_body

NO_OPTIONS: Final = Options()


def decode(
    body: bytes,
    media_type: str,
    contract: Contract,
    options: Options = NO_OPTIONS,
    *,
    meters: pl.DataFrame | None = None,
    max_rows: int = 2**32 - 1,
) -> Decoded:
    """Raw rows of a body.

    Raises
    ------
    UnknownFormatError
        The media type is none that is read.
    UndecodableError
        The body is not what it says.
    InputError
        The options cannot be used, or the media type has no room for them.
    TooLargeError
        It has more than `max_rows` rows.
    """
    if media_type.partition(";")[0].strip().lower() == codecs.TEXT:
        mapping = options.mapping(contract)
        registered = None if meters is None else registered_interval(mapping, meters)
        return read_body(body, options.mapping(contract, registered), contract, max_rows=max_rows)
    if options.describe_text:
        detail = "map, timezone and what else describes a text are for Content-Type: text/csv"
        raise InputError(detail, [Problem("bad_mapping", detail, field="Content-Type")])
    return codecs.decode(body, media_type, contract, max_rows=max_rows)
