"""Main meters of a site that are added up although one may count what another one counts."""

from collections.abc import Iterator
from datetime import UTC, datetime

from wattbook.core.registry.entities import Meter, MeterRole, Site

BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)


def added(site: Site) -> dict[str, str]:
    """A warning for each meter that is a main meter at a time when another one is too."""
    spans = {meter.id: list(_as_main(meter)) for meter in site.meters}
    found = {}
    for one, mine in spans.items():
        others = [
            other
            for other, theirs in spans.items()
            if other != one and any(a < d and c < b for a, b in mine for c, d in theirs)
        ]
        if others:
            named = f"{', '.join(others)} and {one}"
            found[one] = (
                f"main meters {named} all count into the total of site {site.id}; if one of them"
                " measures what another one counts too, register it with role 'sub'"
            )
    return found


def _as_main(meter: Meter) -> Iterator[tuple[datetime, datetime]]:
    """From when until when the meter is a main meter."""
    for each in (*meter.earlier, meter):
        if each.role is MeterRole.MAIN:
            yield each.valid_from or BEGINNING, each.valid_to or END
