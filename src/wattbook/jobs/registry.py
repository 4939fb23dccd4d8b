"""What each kind of job does with the stores: the one list that all runners share."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Self, TypeVar

import polars as pl
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from wattbook import __version__
from wattbook.core import periods
from wattbook.core.carbon import factors
from wattbook.core.carbon.factors import DEFAULT_SET
from wattbook.core.errors import ConflictError, InputError, Problem, UnknownEntityError
from wattbook.core.forecast.history import Quantity
from wattbook.core.forecast.task import QUANTILES, Basis, ModelName
from wattbook.core.jobs import Job, JobKind, JobState, Progress
from wattbook.core.periods import Grain, Period
from wattbook.core.readings.validation import IntervalLabel
from wattbook.core.reporting.report import Format
from wattbook.core.when import Bounds
from wattbook.flows import (
    anomaly,
    bounds,
    device,
    entities,
    forecast,
    pull,
    report,
    retention,
    rollup,
    sites,
)
from wattbook.flows.jobs import Divided, Duty, Running, Stopped, summed, was_divided
from wattbook.flows.rollup import Share
from wattbook.flows.schedules import Schedule
from wattbook.ports.forecasts import Asked
from wattbook.ports.jobs import Child, JobStore
from wattbook.ports.readings import Receipt
from wattbook.ports.reports import Filed
from wattbook.schemas import custom_forecast, error_messages
from wattbook.schemas.fields import DayOrInstant, When
from wattbook.settings import Settings
from wattbook.wiring.runtime import Runtime, open_source

MODELLING: Final = "steps"
"""In what the progress of forecasts is counted."""
QUARTERS: Final = "quarters"
"""In what the progress of roll-ups is counted."""
AFTER_THE_HOUR: Final = timedelta(minutes=5)
"""By then most readings of the hour before have come."""

SUNDAY_NIGHT: Final = timedelta(days=3, hours=3)
"""From the first day of 1970, a Thursday, to 03:00 of a Sunday."""

NAMES: Final = {JobKind.CLEANUP: "clean-up", JobKind.IMPORT_INFLUXDB: "import"}
STILL_ASKED: Final = timedelta(days=90)
"""What nobody, and no retraining, asked for in so long is not forecast any more."""
BEFORE_DAWN: Final = timedelta(days=4, hours=2)
"""From the first day of 1970 to 02:00 of a Monday."""

AT_NIGHT: Final = timedelta(hours=1, minutes=30)
"""To 01:30 of a day."""

READABLE: Final = r"^[^\x00-\x1f\x7f-\x9f]+$"
Id = Annotated[str, Field(min_length=1, max_length=64, pattern=READABLE)]
EntityId = Annotated[str, Field(min_length=1, max_length=80, pattern=READABLE)]
"""An id, or an id behind its kind: `operator:alder`."""


class Params(BaseModel):
    """What a job is told; a parameter that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Aggregate(Params):
    """Bring rollups up to date."""

    site_id: Id | None = Field(None, description="the meters of one site; all when left out")
    site_ids: Annotated[tuple[Id, ...], Field(min_length=1)] | None = Field(
        None, description="the meters of several sites"
    )
    everything: bool = Field(
        default=False, description="compute all figures again, also those that are up to date"
    )
    start: DayOrInstant | None = Field(
        None, description="with `end`: compute the figures of this period again"
    )
    end: DayOrInstant | None = Field(None, description="end (exclusive) of the period")

    @model_validator(mode="after")
    def _period_alone(self) -> "Aggregate":
        if self.site_id is not None and self.site_ids is not None:
            raise ValueError("name site_id or site_ids, not both")
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end belong together")
        if self.period is not None and self.everything:
            raise ValueError("everything leaves no period to name")
        return self

    @property
    def period(self) -> Period | None:
        """The period that is computed again."""
        return None if self.start is None or self.end is None else Period(self.start, self.end)

    @property
    def sites(self) -> tuple[str, ...] | None:
        """The sites that are meant; null: all."""
        return self.site_ids if self.site_id is None else (self.site_id,)


class OverPeriod(Params):
    """Something about a span of time."""

    start: DayOrInstant = Field(description="start (inclusive)")
    end: DayOrInstant = Field(description="end (exclusive)")

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError("end must be after start")
        return self

    @property
    def period(self) -> Period:
        """The span."""
        return Period(self.start, self.end)


class ProcessDevice(OverPeriod):
    """Judge and roll up one meter's readings of a period again."""

    meter_id: Id = Field(description="the meter")


class Report(Params):
    """Make a report and keep it."""

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


class Cleanup(Params):
    """Remove what is older than RETENTION_… says."""

    dry_run: bool = Field(default=False, description="only say what would go, and what would not")
    site_id: Id | None = Field(None, description="what belongs to one site; all when left out")


class Forecast(Params):
    """Forecast an entity, or a series that a caller brought, and keep the run."""

    entity_id: EntityId | None = Field(
        None, description="a site, operator:ID, zone:ID or network:ID"
    )
    quantity: Quantity = Field(Quantity.LOAD, description="of a network: hashrate")
    grain: custom_forecast.GrainName = Grain.HOUR
    model: ModelName = Field(ModelName.AUTO, description="a model by name, or auto")
    quantiles: custom_forecast.Quantiles = QUANTILES
    seed: custom_forecast.Seed = 0
    input: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(
        None, description="what POST /api/v1/forecast/custom kept, by its SHA-256"
    )

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if (self.entity_id is None) == (self.input is None):
            raise ValueError("name entity_id or input, one of the two")
        return self


class Retrain(Params):
    """Forecast anew what was asked for of late, each series in a job of its own."""

    entity_id: EntityId | None = Field(None, description="of one entity; of all when left out")
    quantity: Quantity = Quantity.LOAD
    grain: custom_forecast.GrainName = Grain.HOUR
    model: ModelName = ModelName.AUTO
    quantiles: custom_forecast.Quantiles = QUANTILES
    seed: custom_forecast.Seed = 0

    @model_validator(mode="after")
    def _of_one(self) -> Self:
        if self.entity_id is None and self != Retrain.model_construct():
            raise ValueError("without entity_id all series are forecast as they were asked for")
        return self


OfSeries = TypeVar("OfSeries", Forecast, Retrain)


def series(kind: type[OfSeries], asked: Asked) -> OfSeries:
    """The parameters of a job about the series of an entity that is asked for."""
    return kind(
        entity_id=asked.entity_id,
        quantity=asked.quantity,
        grain=asked.grain,
        model=asked.model,
        quantiles=asked.quantiles,
        seed=asked.seed,
    )


class DetectAnomalies(Params):
    """Look for what is unusual, and keep what is found."""

    site_id: Id | None = Field(None, description="the meters of one site; all when left out")
    meter_id: Id | None = Field(None, description="one meter")
    start: DayOrInstant | None = Field(
        None, description="what began before it is learnt from; seven days before end if left out"
    )
    end: DayOrInstant | None = Field(
        None, description="first instant after; an hour ago if left out"
    )
    seed: custom_forecast.Seed = 0

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("end must be after start")
        return self


class ImportInfluxdb(Params):
    """Bring in what is new in INFLUXDB_BUCKET."""

    since: DayOrInstant | None = Field(
        None, description="from when; from where the last run came to when left out"
    )
    interval_label: IntervalLabel | None = Field(
        None, description="which end of an interval is stamped; before INFLUXDB_INTERVAL_LABEL"
    )


PARAMS: Final[dict[JobKind, type[Params]]] = {
    JobKind.AGGREGATE: Aggregate,
    JobKind.PROCESS_DEVICE: ProcessDevice,
    JobKind.CLEANUP: Cleanup,
    JobKind.REPORT: Report,
    JobKind.FORECAST: Forecast,
    JobKind.RETRAIN: Retrain,
    JobKind.DETECT_ANOMALIES: DetectAnomalies,
    JobKind.IMPORT_INFLUXDB: ImportInfluxdb,
}
"""The kinds of jobs that there are, and what each is told."""


def schedules(settings: Settings) -> tuple[Schedule, ...]:
    """What is done again and again, whoever runs it."""
    if not settings.schedules_enabled:
        return ()
    cleanup = Schedule(
        name="cleanup",
        kind=JobKind.CLEANUP,
        every=timedelta(seconds=settings.cleanup_every_s),
        offset=SUNDAY_NIGHT,
        params=Cleanup().model_dump(mode="json"),
    )
    return (
        Schedule(
            name="aggregate",
            kind=JobKind.AGGREGATE,
            every=timedelta(seconds=settings.aggregate_every_s),
            offset=AFTER_THE_HOUR,
            params=Aggregate().model_dump(mode="json"),
        ),
        Schedule(
            name="retrain",
            kind=JobKind.RETRAIN,
            every=timedelta(hours=settings.model_retrain_interval),
            offset=BEFORE_DAWN,
            params=Retrain().model_dump(mode="json"),
        ),
        Schedule(
            name="detect_anomalies",
            kind=JobKind.DETECT_ANOMALIES,
            every=timedelta(seconds=settings.anomalies_every_s),
            offset=AT_NIGHT,
            params=DetectAnomalies().model_dump(mode="json"),
        ),
        *([cleanup] if settings.retention else []),
        *_imports(settings),
    )


def _imports(settings: Settings) -> tuple[Schedule, ...]:
    if settings.import_influxdb_every_s is None:
        return ()
    pulling = Schedule(
        name="import_influxdb",
        kind=JobKind.IMPORT_INFLUXDB,
        every=timedelta(seconds=settings.import_influxdb_every_s),
        params=ImportInfluxdb().model_dump(mode="json"),
    )
    return (pulling,)


def known(kind: str) -> JobKind:
    """The kind of that name; InputError that lists them if there is none."""
    if kind not in PARAMS:
        detail = f"there is no kind of job {kind!r}; want one of {', '.join(PARAMS)}"
        raise InputError(detail, [Problem("unknown_kind", detail, field="kind")])
    return JobKind(kind)


def checked(kind: str, params: Mapping[str, Any]) -> tuple[JobKind, dict[str, Any]]:
    """A kind and its parameters as they are kept.

    Raises
    ------
    InputError
        Naming what is wrong, and the kinds that there are.
    """
    wanted = known(kind)
    try:
        return wanted, PARAMS[wanted].model_validate(dict(params)).model_dump(mode="json")
    except ValidationError as error:
        problems = [
            Problem("bad_parameter", each.detail, field=each.field)
            for each in error_messages.explained(error.errors(), params, "params")
        ]
        raise refused(kind, problems) from error


def refused(kind: str, problems: list[Problem]) -> InputError:
    """Error of a job that cannot be meant."""
    said = "; ".join(f"{problem.field}: {problem.detail}" for problem in problems)
    return InputError(f"bad parameters of {kind}: {said}", problems)


async def check(kind: JobKind, params: Mapping[str, Any], runtime: Runtime) -> None:
    """Refuse a job of which it is known already that it cannot succeed.

    Raises
    ------
    InputError
        With a problem for each parameter that names what is not there, or has not come yet.
    """
    told = PARAMS[kind].model_validate(params)
    problems: list[Problem] = []
    if isinstance(told, Report):
        problems += await _amiss(
            "entity_id", entities.find(told.entity_id, registry=runtime.registry)
        )
        problems += await _amiss("factor_set", _factors(told.factor_set, runtime))
        if not problems:
            problems += await _bad_period(told, runtime)
    elif isinstance(told, Forecast | Retrain) and told.entity_id is not None:
        problems += await _amiss("entity_id", forecast.named(asked(told), ports=runtime))
    elif isinstance(told, Forecast) and told.input is not None:
        problems += await _amiss("input", runtime.forecasts.input(told.input))
    if problems:
        raise refused(kind, problems)


async def _amiss(name: str, looking: Awaitable[object]) -> list[Problem]:
    """What is wrong with a parameter, if looking for what it names finds nothing."""
    try:
        await looking
    except (UnknownEntityError, InputError, ConflictError) as error:
        reason = next((problem.reason for problem in error.problems), "unknown_entity")
        return [Problem(reason, str(error), field=f"params.{name}")]
    return []


async def _factors(name: str, runtime: Runtime) -> None:
    factors.of_technologies(runtime.factors, name)


async def _bad_period(told: Report, runtime: Runtime) -> list[Problem]:
    try:
        period, as_of = await told.resolved(runtime)
        periods.buckets(period, Grain.QUARTER)  # refuses more than can be read
    except InputError as error:
        return [Problem("bad_period", str(error), field="params.end")]
    if as_of is not None and as_of > runtime.clock.now():
        return [Problem("bad_period", "as_of is in the future", field="params.as_of")]
    return []


def _child(share: Share) -> Child:
    """The part of an `aggregate` that brings some sites up to date: what is marked by now."""
    params = Aggregate(site_ids=share.site_ids).model_dump(mode="json")
    return Child(params=params, progress=Progress(0, share.quarters, QUARTERS))


async def _aggregate(running: Running, runtime: Runtime) -> Mapping[str, Any] | Divided:
    job = running.claim.job
    if was_divided(job):
        return await summed(job, jobs=runtime.jobs)
    asked = Aggregate.model_validate(job.params)
    meters = await runtime.registry.meters()
    if asked.sites is not None:
        meters = meters.filter(pl.col("site_id").is_in(asked.sites))
        for site_id in sorted(set(asked.sites) - set(meters["site_id"])):
            await runtime.registry.site(site_id)  # says so where there is none
    ids = meters["meter_id"].to_list()
    if (asked.everything or asked.period) and not running.checkpoint.get("marked"):
        stores: dict[str, Any] = {"readings": runtime.readings, "rollups": runtime.rollups}
        if asked.everything:
            await sites.mark(ids, registry=runtime.registry, **stores)
        elif asked.period is not None:
            await sites.mark_period(ids, asked.period, **stores)
        running.step(0, None, QUARTERS, marked=True)
    if job.parent_id is None:
        shares = await rollup.shares(ids, registry=runtime.registry, rollups=runtime.rollups)
        if len(shares) > 1:
            return Divided(tuple(_child(share) for share in shares))
    rolled = await rollup.catch_up(
        ids,
        registry=runtime.registry,
        readings=runtime.readings,
        rollups=runtime.rollups,
        clock=runtime.clock,
        progress=lambda done, total: running.step(done, total, QUARTERS),
    )
    running.progress = Progress(rolled.quarters, rolled.quarters, QUARTERS)
    return {"meters": rolled.meters, "rows_written": rolled.rows_written}


def of(runtime: Runtime) -> dict[JobKind, Duty]:
    """What is to be done for each kind of job."""

    async def process_device(running: Running) -> Mapping[str, Any]:
        asked = ProcessDevice.model_validate(running.claim.job.params)
        found = await device.look_again(
            asked.meter_id,
            asked.period,
            registry=runtime.registry,
            readings=runtime.readings,
            rollups=runtime.rollups,
            clock=runtime.clock,
            progress=lambda done, total: running.step(done, total, QUARTERS),
        )
        days = found.changed.with_columns(found.changed["start_utc"].dt.to_string("iso:strict"))
        return {
            "readings": found.readings,
            "refused_today": found.refused_today,
            "days_changed": days.to_dicts(),
        }

    async def bring_up_to_date(running: Running) -> Mapping[str, Any] | Divided:
        return await _aggregate(running, runtime)

    async def make_report(running: Running) -> Mapping[str, Any]:
        asked = Report.model_validate(running.claim.job.params)
        period, as_of = await asked.resolved(runtime)
        filed = await report.publish(
            running.claim.job.job_id,  # so that a second attempt replaces what the first one left
            asked.entity_id,
            period,
            tuple(dict.fromkeys(asked.formats)),
            factor_set=asked.factor_set,
            factors=runtime.factors,
            as_of=as_of,
            final=asked.final,
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

    return {
        JobKind.AGGREGATE: bring_up_to_date,
        JobKind.PROCESS_DEVICE: process_device,
        JobKind.CLEANUP: _cleanup(runtime),
        JobKind.REPORT: make_report,
        JobKind.FORECAST: _forecast(runtime),
        JobKind.RETRAIN: _retrain(runtime),
        JobKind.DETECT_ANOMALIES: _detect(runtime),
        JobKind.IMPORT_INFLUXDB: _import_influxdb(runtime),
    }


def _cleanup(runtime: Runtime) -> Duty:
    async def cleanup(running: Running) -> Mapping[str, Any]:
        job = running.claim.job
        asked = Cleanup.model_validate(job.params)
        cleaner = retention.Cleaner(
            order=retention.Order(
                job_id=job.job_id,
                now=job.created,
                days=runtime.settings.retention,
                site_id=asked.site_id,
                version=__version__,
            ),
            registry=runtime.registry,
            readings=runtime.readings,
            rollups=runtime.rollups,
            retentions=runtime.retentions,
            tombstones=runtime.tombstones,
            clock=runtime.clock,
        )
        if asked.dry_run:
            return retention.result(await cleaner.look(), dry_run=True)
        await _alone(job, runtime.jobs)
        try:
            cleaned = await cleaner.clean_up(lambda done, total: running.step(done, total, "rows"))
        except (Stopped, asyncio.CancelledError):
            if running.state is JobState.CANCELLING:  # nobody goes on with it
                await cleaner.close(await runtime.tombstones.of_job(job.job_id))
            raise
        return retention.result(cleaned, dry_run=False)

    return cleanup


def _forecast(runtime: Runtime) -> Duty:
    async def foresee(running: Running) -> Mapping[str, Any]:
        job = running.claim.job
        told = Forecast.model_validate(job.params)
        days = runtime.settings.forecast_days
        tell = _steps(running)
        if told.input is None:
            horizon = timedelta(days=days)
            run = await forecast.make(
                job.job_id, asked(told), horizon, ports=runtime, progress=tell
            )
        else:
            content = await runtime.forecasts.input(told.input)
            custom = custom_forecast.Custom.model_validate_json(content)
            with custom.in_own_words():
                brought = custom.brought(days)
                run = await forecast.make_custom(job.job_id, brought, ports=runtime, progress=tell)
        return {
            "run_id": run.run_id,
            "entity_id": run.asked.entity_id,
            "basis": run.basis,
            "model": run.model,
            "links": {"run": f"{runtime.settings.root_path}/api/v1/forecast/runs/{run.run_id}"},
        }

    return foresee


def _steps(running: Running) -> Callable[[int, int], None]:
    """Moves the progress of a forecast, which is ended from without."""
    running.step(0, forecast.STEPS, MODELLING)

    def tell(done: int, total: int) -> None:
        running.progress = Progress(done, total, MODELLING)

    return tell


def asked(told: Forecast | Retrain) -> Asked:
    """The series that a job is about."""
    return Asked(
        entity_id=told.entity_id,
        quantity=told.quantity,
        grain=told.grain,
        model=told.model,
        quantiles=told.quantiles,
        seed=told.seed,
    )


def _retrain(runtime: Runtime) -> Duty:
    async def retrain(running: Running) -> Mapping[str, Any] | Divided:
        job = running.claim.job
        if was_divided(job):
            return await summed(job, jobs=runtime.jobs)
        told = Retrain.model_validate(job.params)
        if told.entity_id is None:
            since = runtime.clock.now() - STILL_ASKED
            wanted = await forecast.wanted(since, ports=runtime)
            if wanted:
                return Divided(tuple(_retraining(each) for each in wanted))
            return _retrained()
        horizon = timedelta(days=runtime.settings.forecast_days)
        tell = _steps(running)
        if job.parent_id is not None:
            try:
                await forecast.check(asked(told), horizon, ports=runtime)
            except (InputError, ConflictError):  # too little is known yet of one among many
                tell(forecast.STEPS, forecast.STEPS)
                return _retrained(too_little=1)
        run = await forecast.make(job.job_id, asked(told), horizon, ports=runtime, progress=tell)
        return _retrained(forecasts=1, without_model=run.basis is not Basis.MODEL)

    return retrain


def _retrained(
    forecasts: int = 0, too_little: int = 0, *, without_model: bool = False
) -> dict[str, int]:
    """What became of series; that of many is added up."""
    return {
        "forecasts": forecasts,
        "without_model": int(without_model),
        "too_little_known": too_little,
    }


def _retraining(wanted: Asked) -> Child:
    """The part of a `retrain` that forecasts one series."""
    told = series(Retrain, wanted)
    return Child(
        params=told.model_dump(mode="json"), progress=Progress(0, forecast.STEPS, MODELLING)
    )


def _detect(runtime: Runtime) -> Duty:
    async def detect(running: Running) -> Mapping[str, Any]:
        job = running.claim.job
        told = DetectAnomalies.model_validate(job.params)
        asked_ = anomaly.Asked(
            site_id=told.site_id,
            meter_id=told.meter_id,
            span=await anomaly.span_of_data(
                told.start,
                told.end,
                site_id=told.site_id,
                meter_id=told.meter_id,
                ports=runtime,
            ),
            per_month=runtime.settings.anomalies_per_meter_month,
            seed=told.seed,
        )
        looked = await anomaly.look(
            asked_,
            ports=runtime,
            progress=lambda done, total: running.step(done, total, "meters"),
        )
        running.progress = Progress(looked.meters, looked.meters, "meters")
        return {
            "start": asked_.span.start.isoformat(),
            "end": asked_.span.end.isoformat(),
            **looked.counts,
        }

    return detect


def _import_influxdb(runtime: Runtime) -> Duty:
    async def import_influxdb(running: Running) -> Mapping[str, Any]:
        told = ImportInfluxdb.model_validate(running.claim.job.params)
        settings = runtime.settings
        await _alone(running.claim.job, runtime.jobs)

        def tell(_: Receipt | None, period: Period, until_utc: datetime) -> None:
            done, whole = (
                int(span.total_seconds())
                for span in (until_utc - period.start, period.end - period.start)
            )
            running.step(done, max(whole, 1), "seconds")

        async with open_source(settings) as source:
            pulled = await pull.pull(
                source,
                overlap=timedelta(seconds=settings.influxdb_overlap_s),
                since=told.since,
                label=told.interval_label or IntervalLabel(settings.influxdb_interval_label),
                tell=tell,
                registry=runtime.registry,
                readings=runtime.readings,
                watermarks=runtime.watermarks,
                clock=runtime.clock,
            )
        period = pulled.period
        return {
            **{name: pulled.counts[name] for name in pull.COUNTS},
            "reasons": dict(pulled.reasons),
            "start": None if period is None else period.start.isoformat(),
            "end": None if period is None else period.end.isoformat(),
        }

    return import_influxdb


async def _alone(job: Job, jobs: JobStore) -> None:
    """Refuse to do what another job does already: the one that was asked for first goes on.

    Raises
    ------
    ConflictError
        Naming the other.
    """
    for state in (JobState.RUNNING, JobState.CANCELLING):
        for other in (await jobs.jobs(kind=job.kind, state=state)).jobs:
            first = (other.created, other.job_id) < (job.created, job.job_id)
            if first and not other.params.get("dry_run"):
                raise ConflictError(
                    f"the {NAMES.get(job.kind, job.kind)} of job {other.job_id} is at work"
                )


def link(runtime: Runtime, filed: Filed, form: Format) -> str:
    """Where a service hands out a report in a format."""
    return f"{runtime.settings.root_path}/api/v1/reports/{filed.report_id}.{form}"
