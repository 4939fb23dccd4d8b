"""The first rows of files as they would be stored; no store is opened."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from wattbook.cli import read_as, show
from wattbook.cli.ingest import Form
from wattbook.cli.show import Column
from wattbook.core import frames
from wattbook.core.readings.checks import IntervalLabel
from wattbook.sources.files import Chunk, tree
from wattbook.sources.files.local_time import with_offset

ROWS: Final = 10
MARGIN: Final = 5
"""So many rejected rows are shown beside those."""


def run(files: Sequence[Path], form: Form, *, as_json: bool) -> int:
    """Show the first rows of each file; how many rows of the first parts would be rejected."""
    documents = []
    rejected = 0
    for path in files:
        chunk = next(iter(tree.read(path, form.mapping(), form.contract)), None)
        if chunk is None:
            continue
        rows = _stored(chunk, form)
        good = rows.filter(pl.col("reason").is_null())
        bad = rows.filter(pl.col("reason").is_not_null())
        rejected += bad.height
        if as_json:
            documents.append(_document(path.name, chunk, good, bad))
        else:
            _show(path.name, chunk, good, bad)
    if as_json:
        show.json({"files": documents})
    return rejected


def _stored(chunk: Chunk, form: Form) -> pl.DataFrame:
    """The rows with instants, begun where their interval begins, and a reason where rejected."""
    frame = chunk.frame
    stamp = "start" if form.grid else "timestamp"
    for name in ("reason", "detail", stamp):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, dtype=pl.String).alias(name))
    if frame.schema[stamp] == pl.String:
        at = frame.select(with_offset(pl.col(stamp).str.strip_chars())).to_series()
        lacks = pl.lit(at.is_null()) & pl.col("reason").is_null()
        said = pl.format("{}: must be a time with an offset, or --timezone", pl.lit(stamp))
        frame = frame.with_columns(
            reason=pl.when(lacks).then(pl.lit("bad_timestamp")).otherwise("reason"),
            detail=pl.when(lacks).then(said).otherwise("detail"),
        ).with_columns(at.alias(stamp))
    if chunk.label is IntervalLabel.END and chunk.span is not None:
        frame = frame.with_columns(pl.col(stamp) - chunk.span)
    if not form.grid and "quality" not in frame.columns:
        frame = frame.with_columns(quality=pl.lit("measured"))
    if not form.grid:
        frame = frame.with_columns(pl.col("quality").fill_null("measured"))
        odd = ~pl.col("quality").is_in(frames.QUALITIES) & pl.col("reason").is_null()
        said = pl.format(f"quality: {{}} is none of {', '.join(frames.QUALITIES)}", "quality")
        frame = frame.with_columns(
            reason=pl.when(odd).then(pl.lit("bad_quality")).otherwise("reason"),
            detail=pl.when(odd).then(said).otherwise("detail"),
        )
    own = "start_utc" if form.grid else "ts_utc"
    return frame.rename({stamp: own}).drop("raw", "explicit", strict=False)


def _document(name: str, chunk: Chunk, good: pl.DataFrame, bad: pl.DataFrame) -> dict[str, Any]:
    shown = good.drop("reason", "detail").head(ROWS)
    return {
        "file": name,
        "read_as": [guess.document() for guess in chunk.guesses],
        "rows": [
            {
                key: _iso(value) if isinstance(value, datetime) else value
                for key, value in row.items()
            }
            for row in shown.to_dicts()
        ],
        "read": good.height + bad.height,
        "rejected": bad.height,
        "rejects": bad.select("row", "reason", "detail").head(ROWS).to_dicts(),
    }


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _show(name: str, chunk: Chunk, good: pl.DataFrame, bad: pl.DataFrame) -> None:
    some = "all" if good.height <= ROWS else f"the first {ROWS} of {show.number(good.height)}"
    show.say(f"{name}: {some} rows as they would be stored; nothing is stored yet")
    shown = good.drop("reason", "detail").head(ROWS)
    show.table(
        [
            Column(
                key,
                [_text(value) for value in shown[key].to_list()],
                right=shown[key].dtype.is_numeric(),
            )
            for key in shown.columns
        ]
    )
    read_as.show_guesses(chunk.guesses)
    if bad.height:
        show.say(f"\n{show.number(bad.height)} rows would be rejected")
        show.table(
            [
                Column("row", [str(row) for row in bad["row"].head(MARGIN)]),
                Column("reason", bad["reason"].head(MARGIN).to_list(), right=False),
                Column("detail", bad["detail"].head(MARGIN).to_list(), right=False, folds=True),
            ]
        )


def _text(value: object) -> str:
    if value is None:
        return show.NOTHING
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z"
    return f"{value:.15g}" if isinstance(value, float) else str(value)
