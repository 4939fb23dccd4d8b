"""The settings, as they are."""

from wattbook import settings
from wattbook.cli import show
from wattbook.cli.show import Column


def dump(*, as_json: bool) -> None:
    """Every setting with its value, secrets hidden, and its meaning."""
    found = settings.load()
    rows = [
        {
            "name": name,
            "value": value,
            "set": name.lower() in found.model_fields_set,
            "meaning": settings.Settings.model_fields[name.lower()].description or "",
        }
        for name, value in found.masked().items()
    ]
    if as_json:
        show.json(rows)
        return
    show.table(
        [
            Column("setting", [str(row["name"]) for row in rows], right=False),
            Column("value", [str(row["value"]) or '""' for row in rows], right=False, folds=True),
            Column("set by", ["you" if row["set"] else "default" for row in rows], right=False),
            Column("meaning", [str(row["meaning"]) for row in rows], right=False, folds=True),
        ]
    )
