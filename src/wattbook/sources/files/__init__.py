"""Files of any size become raw frames, part by part."""

from wattbook.sources.codecs.numbers import Decimal
from wattbook.sources.codecs.rows import Guess
from wattbook.sources.files.mapping import DateOrder, Mapping, Target, parse_mapping
from wattbook.sources.files.options import Options, meters_of, registered_interval
from wattbook.sources.files.reader import Chunk, read, read_body, size
from wattbook.sources.files.reference import asic_models, factors

__all__ = [
    "Chunk",
    "DateOrder",
    "Decimal",
    "Guess",
    "Mapping",
    "Options",
    "Target",
    "asic_models",
    "factors",
    "meters_of",
    "parse_mapping",
    "read",
    "read_body",
    "registered_interval",
    "size",
]
