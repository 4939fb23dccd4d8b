"""A tariff to copy: every field and every kind of component, each with what it means."""

import json
from typing import Any, Final

from wattbook.cli import show

EVENING: Final = {"days": ["weekday"], "months": [11, 12, 1, 2], "start": "17:00", "end": "21:00"}
TARIFF: Final[dict[str, Any]] = {
    "$comment": [
        "Members named $comment are for people and are not kept. Delete what your tariff has not.",
        "Prices here are examples. Real tariffs: examples/tariffs. Terms: docs/methods/cost.md.",
    ],
    "id": "example",
    "valid_from": "2026-01-01",
    "valid_to": None,
    "currency": "EUR",
    "calendar": "ES",
    "holidays": ["2026-12-24"],
    "holidays_removed": ["easter-2", "12-08", "2026-01-06"],
    "weekend": [6, 7],
    "billing_day": 18,
    "netting": "none",
    "components": [
        {
            "$comment": "A price by local time. One band can be the rest of the time.",
            "kind": "time_of_use",
            "name": "energy",
            "bands": [
                {"name": "winter evenings", "price_per_kwh": 0.3, "windows": [EVENING]},
                {"name": "other", "price_per_kwh": 0.1, "rest": True},
            ],
        },
        {
            "$comment": "One price for every kWh.",
            "kind": "flat",
            "name": "grid fee",
            "price_per_kwh": 0.02,
        },
        {
            "$comment": "A price by how much was drawn so far in the billing month, or in the day.",
            "kind": "tiered",
            "name": "levy",
            "per": "month",
            "blocks": [
                {"up_to_kwh": 50000, "price_per_kwh": 0.01},
                {"up_to_kwh": None, "price_per_kwh": 0.02},
            ],
        },
        {
            "$comment": "The price of the zone, per MWh, x multiplier + adder. Load prices first.",
            "kind": "indexed",
            "name": "market",
            "multiplier": 1.03,
            "adder_per_mwh": 2,
        },
        {
            "$comment": "Paid for each kWh given back; without price_per_kwh as indexed.",
            "kind": "export",
            "name": "feed-in",
            "price_per_kwh": 0.08,
        },
        {
            "$comment": "The highest demand over 15, 30 or 60 minutes; the mean of the highest"
            " of different days; sliding by 15 minutes or null; a ratchet of chosen months on"
            " measured or billed demand.",
            "kind": "demand",
            "name": "demand",
            "price_per_kw_month": 10,
            "windows": [],
            "interval_minutes": 30,
            "sliding_minutes": 15,
            "peaks": 1,
            "minimum_kw": 0,
            "ratchet": {
                "percent": 80,
                "months": 11,
                "peak_months": [5, 6, 7, 8, 9, 10],
                "basis": "measured",
            },
        },
        {
            "$comment": "A price by the step of the demand; a limit belongs to the step above it.",
            "kind": "demand_steps",
            "name": "capacity",
            "interval_minutes": 60,
            "peaks": 3,
            "steps": [
                {"up_to_kw": 100, "price_per_month": 200},
                {"up_to_kw": None, "price_per_month": 400},
            ],
        },
        {
            "$comment": "The mean demand at the grid's peaks of last year (4CP): count of all"
            " months together, or per_month of each. Without instants the zone's highest loads are"
            " taken, each of another day.",
            "kind": "coincident_demand",
            "name": "4CP",
            "price_per_kw_month": 5,
            "months": [6, 7, 8, 9],
            "instants": [
                "2025-06-12T17:00:00-05:00",
                "2025-07-15T17:00:00-05:00",
                "2025-08-18T16:45:00-05:00",
                "2025-09-03T16:45:00-05:00",
            ],
            "count": 4,
            "interval_minutes": 15,
            "year_begins": 1,
            "same_month": False,
        },
        {
            "$comment": "Reactive energy beyond a share of the active energy of the month;"
            " inductive (drawn) or capacitive (given); low_factor is another price where the power"
            " factor is lower. Send reactive_power_kvar with the readings.",
            "kind": "reactive",
            "name": "reactive energy",
            "price_per_kvarh": 0.01,
            "free_percent": 48.43,
            "direction": "inductive",
            "windows": [],
            "low_factor": {"below": 0.8, "price_per_kvarh": 0.02},
        },
        {
            "$comment": "Due whatever is drawn, by the month or the day.",
            "kind": "fixed",
            "name": "meter",
            "price": 2,
            "per": "day",
        },
        {
            "$comment": "What is missing where these come to less.",
            "kind": "minimum",
            "name": "minimum bill",
            "amount": 50,
            "per": "month",
            "of": ["energy", "grid fee"],
        },
        {
            "$comment": "A tax, fee or rebate on components that stand before it.",
            "kind": "percentage",
            "name": "VAT",
            "percent": 21,
            "of": ["energy", "grid fee", "levy", "demand", "meter", "minimum bill"],
        },
    ],
}


def tariff() -> None:
    """Print the template."""
    show.say(json.dumps(TARIFF, indent=2, ensure_ascii=False))
