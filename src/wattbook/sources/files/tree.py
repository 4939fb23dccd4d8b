"""A folder with a folder for each meter, as `wattbook export` writes it, becomes raw rows."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import polars as pl

from wattbook.core.errors import InputError, Problem, UndecodableError
from wattbook.core.frames import RAW_READINGS, Contract
from wattbook.sources.files import reader
from wattbook.sources.files.mapping import IDENTITY, Mapping
from wattbook.sources.files.reader import Chunk
from wattbook.sources.files.tables import BATCH_ROWS

METER: Final = "meter_id="
HIDDEN: Final = (".", "_")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One file, its name within the tree, and the meter that its folder names."""

    path: Path
    name: str
    meter_id: str


def leaves(root: Path) -> list[Leaf]:
    """All Parquet files of the tree, in the order of their names.

    Raises
    ------
    InputError
        There is none, or one lies in no meter's folder.
    """
    found = []
    for path in sorted(root.rglob("*.parquet")):
        parts = path.relative_to(root).parts
        if any(part.startswith(HIDDEN) for part in parts) or not path.is_file():
            continue
        name = "/".join(parts)
        meters = [part.removeprefix(METER) for part in parts[:-1] if part.startswith(METER)]
        if len(meters) != 1:
            raise _unlike_a_tree(root, f"{name} lies in no folder meter_id=…")
        found.append(Leaf(path, name, unquote(meters[0])))
    if not found:
        raise _unlike_a_tree(root, "it holds no Parquet file")
    return found


def _unlike_a_tree(root: Path, why: str) -> InputError:
    detail = f"{root}: {why}; it must hold meter_id=…/month=…/*.parquet, as `export` writes it"
    return InputError(detail, [Problem("bad_folder", detail)])


def size(path: Path) -> int:
    """Bytes on disk of a file, or of all files of a tree."""
    if not path.is_dir():
        return reader.size(path)
    return sum(reader.size(leaf.path) for leaf in leaves(path))


def sha256(path: Path) -> str:
    """SHA-256 of a file; of a tree, that of the lines that `sha256sum` would print of its files."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    lines = hashlib.sha256()
    for leaf in leaves(path):
        lines.update(f"{sha256(leaf.path)}  {leaf.name}\n".encode())
    return lines.hexdigest()


def read(
    path: Path, mapping: Mapping = IDENTITY, contract: Contract = RAW_READINGS
) -> Iterator[Chunk]:
    """Raw rows of a file, or of all files of a tree; `row` counts on from file to file.

    Raises
    ------
    InputError
        The mapping names meters, though the folders do; or the folder is no such tree.
    UndecodableError
        A file is not what its name says; the message has its name.
    """
    if not path.is_dir():
        yield from reader.read(path, mapping, contract)
        return
    if contract.name != RAW_READINGS.name or mapping.meters or "meter_id" in mapping.constants:
        detail = f"{path}: its folders name the meters of readings; leave all that names others out"
        raise InputError(detail, [Problem("bad_mapping", detail, field="meter")])
    held: list[pl.DataFrame] = []
    like: Chunk | None = None
    begin = behind = 0
    for leaf in leaves(path):
        own = replace(mapping, constants={**mapping.constants, "meter_id": leaf.meter_id})
        after = begin
        for chunk in _chunks(leaf, own, contract):
            like = like or chunk
            if held and held[0].schema != chunk.frame.schema:
                yield replace(like, frame=pl.concat(held), bytes_read=behind)
                held = []
            held.append(_moved(chunk.frame, begin))
            after += chunk.frame.height
            if sum(frame.height for frame in held) >= BATCH_ROWS:
                yield replace(like, frame=pl.concat(held), bytes_read=behind + chunk.bytes_read)
                held = []
        begin, behind = after, behind + reader.size(leaf.path)
    if held and like is not None:
        yield replace(like, frame=pl.concat(held), bytes_read=behind)


def _chunks(leaf: Leaf, mapping: Mapping, contract: Contract) -> Iterator[Chunk]:
    try:
        yield from reader.read(leaf.path, mapping, contract)
    except UndecodableError as error:
        said = str(error).removeprefix(f"{leaf.path.name}, ")
        raise UndecodableError(f"{leaf.name}, {said}", error.problems) from error


def _moved(frame: pl.DataFrame, rows: int) -> pl.DataFrame:
    return frame.with_columns(row=(pl.col("row").cast(pl.Int64) + rows).cast(pl.UInt32))
