"""Forecasts: whose history, whether it can be forecast, the run, and its hash rate."""

from wattbook.flows.forecast.custom import CustomSeries, horizon_of, number
from wattbook.flows.forecast.hashrate import compared, hashing
from wattbook.flows.forecast.request import (
    ahead,
    ask_of,
    capacity_kw,
    check,
    most,
    named,
    stored,
    wanted,
)
from wattbook.flows.forecast.run import STEPS, learnt_from, make, make_custom
from wattbook.flows.forecast.target import (
    NETWORK,
    donors_of,
    full_name,
    load_history,
    prices_of,
    subject,
)

__all__ = [
    "NETWORK",
    "STEPS",
    "CustomSeries",
    "ahead",
    "ask_of",
    "capacity_kw",
    "check",
    "compared",
    "donors_of",
    "full_name",
    "hashing",
    "horizon_of",
    "learnt_from",
    "load_history",
    "make",
    "make_custom",
    "most",
    "named",
    "number",
    "prices_of",
    "stored",
    "subject",
    "wanted",
]
