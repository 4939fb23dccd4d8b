"""Job `report`: make a report and store it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from wattbook.core import periods
from wattbook.core.carbon import factors
from wattbook.core.carbon.factors import DEFAULT_SET
from wattbook.core.errors import InputError, Problem
from wattbook.core.jobs import JobKind
from wattbook.core.periods import Grain, Period
from wattbook.core.reporting.report import Format
from wattbook.core.when import Bounds
from wattbook.flows import bounds, entities, report
from wattbook.flows.jobs import Running
from wattbook.jobs.kind import EntityId, Id, Kind, Params, problems_of
from wattbook.ports.reports import StoredReport
from wattbook.schemas import custom_forecast
from wattbook.schemas.fields import When
from wattbook.wiring.runtime import Runtime


class Report(Params):
    """Make a report and store it."""

    entity_id: EntityId = Field(description="a site, operator:ID, zone:ID or network")
    start: When = Field(description="start (inclusive): an instant, or a date at the entity")
    end: When | None = Field(
        None, description="end (exclusive): an instant, or a date; the end of the data if left out"
    )
    formats: Annotated[tuple[Format, ...], BeforeValidator(custom_forecast.split)] = Field(
        (Format.PDF, Format.HTML, Format.JSON, Format.CSV),
        min_length=1,
        description="what it is handed out as: pdf, html, json, csv, zip",
    )
    factor_set: Id = Field(DEFAULT_SET, description="set of emission factors by technology")
    as_of: When | None = Field(
        None, description="use only data known at this time; all data if left out"
    )
    final: bool = Field(
        default=False, strict=True, description="whether it is marked as final; else it is a draft"
    )

    async def resolved(self, runtime: Runtime) -> tuple[Period, datetime | None]:
        """The period and `as_of` on the clock of the entity."""
        entity = await entities.find(self.entity_id, registry=runtime.registry)
        timezone = report.timezone_of(entity)
        wanted = Bounds(self.start, self.end)
        period = await bounds.period(wanted, timezone, entity.meters, readings=runtime.readings)
        return period, bounds.as_of(self.as_of, timezone)


async def problems(params: Report, runtime: Runtime) -> list[Problem]:
    """What makes the report impossible: an unknown entity or factor set, or the period."""
    found = await problems_of(
        "entity_id", entities.find(params.entity_id, registry=runtime.registry)
    )
    found += await problems_of("factor_set", _factors(params.factor_set, runtime))
    return found or await _bad_period(params, runtime)


async def _factors(name: str, runtime: Runtime) -> None:
    factors.of_technologies(runtime.factors, name)


async def _bad_period(params: Report, runtime: Runtime) -> list[Problem]:
    try:
        period, as_of = await params.resolved(runtime)
        periods.buckets(period, Grain.QUARTER)  # refuses more than can be read
    except InputError as error:
        return [Problem("bad_period", str(error), field="params.end")]
    if as_of is not None and as_of > runtime.clock.now():
        return [Problem("bad_period", "as_of is in the future", field="params.as_of")]
    return []


async def make(running: Running, params: Report, runtime: Runtime) -> Mapping[str, Any]:
    """Make the report; a second attempt replaces what the first one left."""
    period, as_of = await params.resolved(runtime)
    filed = await report.publish(
        running.claim.job.job_id,
        params.entity_id,
        period,
        tuple(dict.fromkeys(params.formats)),
        factor_set=params.factor_set,
        factors=runtime.factors,
        as_of=as_of,
        final=params.final,
        ports=runtime,
        render=runtime.render,
        reports=runtime.reports,
        progress=lambda done, total, _: running.step(done, total, "sites and formats"),
    )
    return {
        "report_id": filed.report_id,
        "entity_id": filed.entity_id,
        "fingerprint": filed.fingerprint,
        "links": {sheet.form: link(runtime, filed, sheet.form) for sheet in filed.sheets},
    }


def link(runtime: Runtime, filed: StoredReport, form: Format) -> str:
    """Where a service hands out a report in a format."""
    return f"{runtime.settings.root_path}/api/v1/reports/{filed.report_id}.{form}"


REPORT: Final = Kind(kind=JobKind.REPORT, params=Report, handler=make, problems=problems)
