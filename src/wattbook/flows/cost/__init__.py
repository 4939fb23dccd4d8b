"""Cost of energy: the terms of tariffs, what a site drew, and the account of both."""

from wattbook.flows.cost.account import METHOD, Account, account, bill_document
from wattbook.flows.cost.terms import terms_of
from wattbook.flows.cost.usage import (
    EnergyCharges,
    SiteUsage,
    billed,
    charge_energy,
    drawn_by,
    loads,
    prices_of,
    unpriceable_buckets,
)

__all__ = [
    "METHOD",
    "Account",
    "EnergyCharges",
    "SiteUsage",
    "account",
    "bill_document",
    "billed",
    "charge_energy",
    "drawn_by",
    "loads",
    "prices_of",
    "terms_of",
    "unpriceable_buckets",
]
