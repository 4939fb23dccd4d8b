"""What knows the public holidays."""

from datetime import date
from typing import Protocol


class Calendar(Protocol):
    """Knows the public holidays of countries and their parts, as `US` and `US-TX`."""

    def knows(self, name: str) -> bool:
        """Whether there is such a country or part of one."""
        ...

    def holidays(self, name: str, first: date, end: date) -> frozenset[date]:
        """The public holidays from `first` until `end`; InputError for a name that nobody knows."""
        ...
