"""Forecasts: whose history, whether it can be forecast, the run, and its hash rate."""

from wattbook.flows.forecast.custom import CustomSeries, horizon_of, number
from wattbook.flows.forecast.hashrate import compare_forecast, hashing
from wattbook.flows.forecast.request import (
    active_series,
    ahead,
    ask_of,
    capacity_kw,
    check,
    find_stored,
    most,
    with_full_name,
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
    "active_series",
    "ahead",
    "ask_of",
    "capacity_kw",
    "check",
    "compare_forecast",
    "donors_of",
    "find_stored",
    "full_name",
    "hashing",
    "horizon_of",
    "learnt_from",
    "load_history",
    "make",
    "make_custom",
    "most",
    "number",
    "prices_of",
    "subject",
    "with_full_name",
]
