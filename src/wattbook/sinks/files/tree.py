"""A folder for each meter, in it one for each month, in it a Parquet file."""

import asyncio
import os
from datetime import date
from pathlib import Path
from typing import Final
from urllib.parse import quote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from wattbook.core.archive.export import COLUMNS
from wattbook.core.errors import ConflictError, UnavailableError

METER: Final = "meter_id="
NAME: Final = "readings.parquet"
UNFINISHED: Final = ".readings.parquet.part"
GROUP_ROWS: Final = 131_072
SCHEMA: Final = pa.schema(
    {
        "timestamp": pa.timestamp("us", tz="UTC"),
        **dict.fromkeys(COLUMNS[1:-1], pa.float64()),
        "quality": pa.string(),
    }
)


class Tree:
    """`ports.partitions.Partitions` as `meter_id=…/month=…/readings.parquet`.

    The same rows give the same bytes. A file is written under another name and then renamed, so
    that whoever reads finds the old one or the new one.
    """

    def __init__(self, root: Path) -> None:
        try:
            root.mkdir(parents=True, exist_ok=True)
            strange = sorted(each.name for each in root.iterdir() if not _is_ours(each))
        except OSError as error:
            raise _unwritable(root, error) from error
        if strange:
            raise ConflictError(
                f"{root} is neither empty nor an earlier export: it holds {strange[0]}"
            )
        self._root = root

    async def put(self, meter_id: str, month: date, rows: pl.DataFrame) -> int:
        """Make `rows` the partition, all or nothing; its bytes."""
        folder = self._root / f"{METER}{quote(meter_id, safe='')}" / f"month={month:%Y-%m}"
        return await asyncio.to_thread(_write, folder, rows)


def _is_ours(path: Path) -> bool:
    return path.name.startswith(METER) and path.is_dir()


def _write(folder: Path, rows: pl.DataFrame) -> int:
    unfinished, finished = folder / UNFINISHED, folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            pq.write_table(
                rows.to_arrow().cast(SCHEMA), file, compression="zstd", row_group_size=GROUP_ROWS
            )
            file.flush()
            os.fsync(file.fileno())
            written = file.tell()
        unfinished.replace(finished)
    except OSError as error:
        raise _unwritable(finished, error) from error
    return written


def _unwritable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(f"{path} cannot be written: {error.strerror or error}")
