"""Cost of energy: the terms of tariffs, what a site drew, and the account of both."""

from wattbook.flows.cost.account import METHOD, Account, account, told
from wattbook.flows.cost.terms import terms_of
from wattbook.flows.cost.usage import Books, Drawn, billed, drawn_by, kept, loads, lost, prices_of

__all__ = [
    "METHOD",
    "Account",
    "Books",
    "Drawn",
    "account",
    "billed",
    "drawn_by",
    "kept",
    "loads",
    "lost",
    "prices_of",
    "terms_of",
    "told",
]
