"""Sites and jobs from rows of their tables, whatever read the rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from pydantic import Field

from wattbook.core.errors import Failure, Problem, UnknownEntityError
from wattbook.core.jobs import Attempt, Job, JobKind, JobState, Progress
from wattbook.core.registry import components, dated
from wattbook.core.registry.dated import Values
from wattbook.core.registry.entities import CAPACITIES, DATED, FleetItem, Meter, Site, Supply
from wattbook.core.registry.tariffs import Tariff
from wattbook.core.registry.versions import Version

if TYPE_CHECKING:
    from sqlalchemy import RowMapping  # a reader without SQLAlchemy uses this module too

Row: TypeAlias = "Mapping[str, Any] | RowMapping"
"""Values by column, as the core has them."""
Component: TypeAlias = Annotated[components.Component, Field(discriminator="kind")]
"""What a tariff consists of; `kind` distinguishes the classes."""
LISTS: Final[Mapping[str, Any]] = {
    "holidays": date,
    "holidays_removed": str,
    "weekend": int,
    "components": Component,
}
"""Columns of tariffs that hold several values as JSON, and the type of one value."""
ORDER: Final[Mapping[str, Sequence[str]]] = {
    "meters": ("id",),
    "supplies": ("valid_from", "id"),
    "fleet": ("valid_from", "id"),
    "tariffs": ("valid_from", "id"),
}
"""Tables of the parts of a site, and the order of their rows."""
NAMES: Final[Mapping[str, tuple[str, ...]]] = {"meter": DATED, "site": CAPACITIES}
DEFAULTS: Final = {each.name: each.default for each in fields(Meter) if each.default is not MISSING}
Owner = tuple[str, str]
"""`meter` or `site`, and the id."""
Held = Mapping[Owner, tuple[Version[Values], ...]]


def sites_of(
    rows: Iterable[Row], held: Held, parts: Mapping[str, Iterable[Row]]
) -> tuple[Site, ...]:
    """Sites with everything on them.

    Parameters
    ----------
    rows
        Of `sites`; the result has their order.
    held
        The versions of the meters and capacities.
    parts
        Rows of each table of `ORDER`.
    """
    own = {table: _by_site(found) for table, found in parts.items()}
    return tuple(
        replace(
            Site(**row),
            **_capacities(row["id"], held),  # type: ignore[arg-type]  # fields of a site
            meters=tuple(_dated(Meter(**part), held) for part in own["meters"][row["id"]]),
            supplies=tuple(Supply(**part) for part in own["supplies"][row["id"]]),
            fleet=tuple(FleetItem(**part) for part in own["fleet"][row["id"]]),
            tariffs=tuple(Tariff(**part) for part in own["tariffs"][row["id"]]),
        )
        for row in rows
    )


def _by_site(rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["site_id"]].append(row)
    return found


def _dated(meter: Meter, held: Held) -> Meter:
    """A meter with what it was before."""
    found = held.get(("meter", meter.id))
    return meter if found is None else dated.meter_of(meter, found)


def _capacities(site_id: str, held: Held) -> dict[str, object]:
    found = held.get(("site", site_id))
    return {} if found is None else dated.capacity_fields(found)


def unknown_site(site_id: str) -> UnknownEntityError:
    """There is no such site."""
    detail = f"no site is registered as {site_id!r}"
    return UnknownEntityError(detail, [Problem("unknown_site", detail, field="site_id")])


def by_owner(rows: Iterable[Row]) -> dict[Owner, tuple[Version[Values], ...]]:
    """Versions of each owner, in the order of time."""
    found: dict[Owner, list[Version[Values]]] = defaultdict(list)
    for row in rows:
        found[row["kind"], row["owner"]].append(version_of(row))
    return {owner: _in_order(each) for owner, each in found.items()}


def version_of(row: Row) -> Version[Values]:
    """What a meter, or the capacity of a site, is by one row."""
    names = NAMES[row["kind"]]
    what = dated.read(names, row["attributes"], DEFAULTS)
    return Version(what, row["valid_from"], row["valid_to"])


def _in_order(found: Sequence[Version[Values]]) -> tuple[Version[Values], ...]:
    def place(each: Version[Values]) -> tuple[bool, float]:
        start = each.valid_from
        return start is not None, start.timestamp() if start else 0.0

    return tuple(sorted(found, key=place))


@dataclass(slots=True)
class Family:
    """What the children of a job add up to."""

    counts: dict[JobState, int] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    unit: str = ""


def families_of(sums: Iterable[Sequence[Any]]) -> dict[str, Family]:
    """By parent, from rows of `parent_id, state, count, done, total, unit`."""
    families: dict[str, Family] = {}
    for parent_id, state, count, done, total, unit in sums:
        family = families.setdefault(parent_id, Family())
        family.counts[JobState(state)] = count
        family.done += int(done)
        family.total += int(total or 0)
        family.unit = unit
    return families


def jobs_of(
    rows: Sequence[Row], attempts: Iterable[Row], families: Mapping[str, Family]
) -> tuple[Job, ...]:
    """Jobs with their attempts, which are in the order of their numbers."""
    made: dict[str, list[Attempt]] = {row["job_id"]: [] for row in rows}
    for row in attempts:
        made[row["job_id"]].append(
            Attempt(**{name: value for name, value in row.items() if name != "job_id"})
        )
    return tuple(job_of(row, made[row["job_id"]], families.get(row["job_id"])) for row in rows)


def unknown_job(job_id: str) -> UnknownEntityError:
    """There is no such job."""
    detail = f"there is no job {job_id!r}"
    return UnknownEntityError(detail, [Problem("unknown_job", detail, field="job_id")])


REWRITTEN: Final = frozenset(
    (
        *("done", "total", "unit", "attempt", "tries", "lease_until", "order_sha256", "kind"),
        *("error", "error_kind", "error_problems"),
    )
)
"""Columns of `jobs` that a `Job` has in another form, or not at all."""


def job_of(row: Row, made: Sequence[Attempt], family: Family | None = None) -> Job:
    """A job with its attempts and what its children add up to."""
    progress = Progress(row["done"], row["total"], row["unit"])
    if family is not None:
        progress = Progress(family.done, family.total, family.unit)
    return Job(
        **{name: value for name, value in row.items() if name not in REWRITTEN},
        kind=JobKind(row["kind"]),
        failure=_failure(row),
        progress=progress,
        attempts=tuple(made),
        children={} if family is None else family.counts,
    )


def _failure(row: Row) -> Failure | None:
    if row["error_kind"] is None:
        return None
    problems = tuple(Problem(**problem) for problem in row["error_problems"] or ())
    return Failure(row["error_kind"], row["error"], problems)
