"""Meters whose readings count otherwise after a site was changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from wattbook.core.registry import dated
from wattbook.core.registry.entities import Meter, Site


def stale(before: Site, after: Site, upcoming: Mapping[str, datetime]) -> list[str]:
    """Meters of which there are readings that count otherwise after a change."""
    everything = before.timezone != after.timezone
    old = {meter.id: meter for meter in before.meters}
    found = []
    for meter in after.meters:
        until = upcoming.get(meter.id)
        if until is None or meter.id not in old:
            continue
        was, is_ = _reads(before, old[meter.id], until), _reads(after, meter, until)
        if everything or was != is_:
            found.append(meter.id)
    return found


def _reads(site: Site, meter: Meter, until: datetime) -> object:
    """How the readings that there are of this meter become energy."""
    own = [
        (
            each.valid_from,
            min(each.valid_to or until, until),
            (
                each.kind,
                each.expected_interval_s,
                each.expected_interval,
                each.hold_s,
                each.register_size_kwh,
                each.register_resolution_kwh,
            ),
        )
        for each in (*meter.earlier, meter)
        if each.valid_from is None or each.valid_from < until
    ]
    capacities = [
        (each.valid_from, min(each.valid_to or until, until), each.what)
        for each in dated.capacities_of(site)
        if each.valid_from is None or each.valid_from < until
    ]
    return _joined(own), _joined(capacities)


def _joined(spans: Sequence[tuple[datetime | None, datetime, object]]) -> list[object]:
    """Spans of the same content that adjoin, as one."""
    found: list[tuple[datetime | None, datetime, object]] = []
    for begin, end, what in spans:
        if found and found[-1][2] == what and found[-1][1] == begin:
            found[-1] = found[-1][0], end, what
        else:
            found.append((begin, end, what))
    return list(found)
