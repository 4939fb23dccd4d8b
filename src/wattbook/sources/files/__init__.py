"""Files of any size become raw frames, part by part."""

from wattbook.sources.files.mapping import Mapping, Target, parse_mapping
from wattbook.sources.files.reader import Chunk, read, size
from wattbook.sources.files.reference import asic_models, factors

__all__ = [
    "Chunk",
    "Mapping",
    "Target",
    "asic_models",
    "factors",
    "parse_mapping",
    "read",
    "size",
]
