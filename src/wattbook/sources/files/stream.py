"""The bytes of a file, inflated as they come, cut where a record ends."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Protocol

import zstandard

from wattbook.core.errors import UndecodableError
from wattbook.sources.codecs.inflate import GZIP_WBITS, MAX_WINDOW, steps

STEP: Final = 1 << 18
COMPRESSIONS: Final = (".gz", ".zst")


class Member(Protocol):
    """One compressed stream; a file may have several, one after the other."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


@dataclass(slots=True)
class Source:
    """A file that is read once from front to end; `taken` counts its bytes on disk."""

    path: Path
    taken: int = field(default=0)

    @property
    def name(self) -> str:
        """Its name without its folder."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes on disk: what `taken` comes to at the end."""
        return self.path.stat().st_size

    @property
    def compressed(self) -> bool:
        """Whether its name says so."""
        return self.path.suffix.lower() in COMPRESSIONS

    def again(self) -> "Source":
        """The same file, from its beginning."""
        return Source(self.path)

    def pieces(self) -> Iterator[bytes]:
        """The content, inflated where the name ends in .gz or .zst.

        Raises
        ------
        UndecodableError
            The compressed data is damaged or ends early.
        """
        with self.path.open("rb") as file:
            if self.path.suffix.lower() == ".gz":
                yield from self._inflate(file, _gunzipper)
            elif self.path.suffix.lower() == ".zst":
                yield from self._inflate(file, _unzstder)
            else:
                yield from self._raw(file)

    def _raw(self, file: IO[bytes]) -> Iterator[bytes]:
        while piece := file.read(STEP):
            self.taken += len(piece)
            yield piece

    def _inflate(self, file: IO[bytes], fresh: Callable[[], Member]) -> Iterator[bytes]:
        """Content of all members; an error of the library names the file."""
        member = None
        try:
            for piece in steps(self._raw(file)):
                rest = piece
                while rest:
                    if member is None:
                        rest = rest.lstrip(b"\0")  # a block may be filled up with zeros
                        if not rest:
                            break
                        member = fresh()
                    yield member.decompress(rest)
                    rest = b""
                    if member.eof:
                        rest, member = member.unused_data, None
        except (zlib.error, zstandard.ZstdError) as error:
            raise UndecodableError(f"the compressed data is damaged: {error}") from error
        if member is not None:
            raise UndecodableError("the compressed data ends early")


@dataclass(slots=True)
class Body:
    """A text in memory, read as a file is."""

    text: bytes
    name: str = "the body"
    taken: int = field(default=0)
    compressed: bool = False
    path: None = None

    @property
    def size(self) -> int:
        """Bytes of the text."""
        return len(self.text)

    def again(self) -> "Body":
        """The same text, from its beginning."""
        return Body(self.text, self.name)

    def pieces(self) -> Iterator[bytes]:
        """All of it."""
        self.taken = len(self.text)
        yield self.text


def records(pieces: Iterator[bytes], size: int, *, quotes: bool) -> Iterator[bytes]:
    """The text in parts of about `size` bytes, each ending with a whole record.

    With `quotes`, a newline between two quotation marks does not end one. Where the pieces end with
    an error, the whole records before it come first.
    """
    held: list[bytes] = []
    length = 0
    broken: UndecodableError | None = None
    while True:
        try:
            piece = next(pieces, b"")
        except UndecodableError as error:
            piece, broken = b"", error
        held.append(piece)
        length += len(piece)
        if piece and length < size:
            continue
        text = b"".join(held)
        end = len(text) if not piece and broken is None else _last_end(text, quotes=quotes)
        if end:
            yield text[:end]
        if broken is not None:
            raise broken
        if not piece:
            return
        held = [text[end:]]
        length = len(held[0])


def _last_end(text: bytes, *, quotes: bool) -> int:
    """Where the last whole record ends; 0 where there is none."""
    last = text.rfind(b"\n") + 1
    if not quotes or b'"' not in text:
        return last
    end, marks = last, text.count(b'"', 0, last)
    while end and marks % 2:
        before = text.rfind(b"\n", 0, end - 1) + 1
        marks -= text.count(b'"', before, end)
        end = before
    return end or last  # quotation marks that do not pair: the codec sorts the lines out


def _gunzipper() -> Member:
    return zlib.decompressobj(wbits=GZIP_WBITS)


def _unzstder() -> Member:
    return zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
