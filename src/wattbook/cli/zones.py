"""Grid zones that are known, as a table or JSON."""

from dataclasses import asdict

from wattbook.cli import show
from wattbook.cli.show import Column
from wattbook.core.grid import zones


def list_all(text: str, kind: str | None, *, as_json: bool) -> None:
    """Zones in whose names or aliases the text occurs."""
    found = zones.search(text, () if kind is None else (kind,))
    if as_json:
        show.json({"zones": [asdict(each) for each in found]})
        return
    if not found:
        close = ", ".join(zones.nearest(text)) or "none"
        show.say(f"no zone has {text!r} in its names; the nearest: {close}")
        return
    show.table(
        [
            Column("zone", [each.zone for each in found], right=False),
            Column("name", [each.name for each in found], right=False, folds=True),
            Column("kind", [each.kind for each in found], right=False, worth=3),
            Column("in", [each.parent or show.NOTHING for each in found], right=False, worth=4),
            Column(
                "also",
                [", ".join(each.aliases) for each in found],
                right=False,
                folds=True,
                worth=5,
            ),
        ]
    )
