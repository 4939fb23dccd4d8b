"""Words of an earlier version that are still accepted for one more, in questions and settings."""

from collections.abc import Mapping
from typing import Final

FORMER_WORDS: Final[Mapping[str, str]] = {"quarter": "15min"}
"""The present word for each of an earlier version: `quarter` was the grain of 15 minutes."""
MANIFEST_WORDS: Final[Mapping[str, str]] = {now: before for before, now in FORMER_WORDS.items()}
"""As fingerprints state them, since the first release."""


def present(word: object) -> str:
    """The present word for one of an earlier version, and every other text as it is.

    >>> present("quarter"), present("hour")
    ('15min', 'hour')
    """
    return FORMER_WORDS.get(str(word), str(word))
