"""What everything does that keeps reports; implementations: conftest.py."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wattbook.core.errors import InputError, UnknownEntityError
from wattbook.core.periods import Period
from wattbook.core.reporting.report import Format
from wattbook.ports.reports import Reports, Sheet, StoredReport
from wattbook.stores.sql.engine import create_engine
from wattbook.stores.sql.migrate import upgrade_on
from wattbook.stores.sql.reports import SqlReports

T = datetime(2026, 3, 1, 12, 0, 0, 123_456, UTC)
DAY = timedelta(days=1)
PAGE = "<p>⚡ 中文</p>".encode() * 1000
PRINT = b"%PDF\x00\xff"


@pytest.fixture
def reports(sql_engine) -> Reports:
    return SqlReports(sql_engine)


def filed(
    report_id: str, *, entity_id: str = "site:pecos-1", created: datetime = T
) -> StoredReport:
    return StoredReport(
        report_id=report_id,
        entity_id=entity_id,
        name="Pecos ⚡",
        period=Period(T, T + DAY),
        timezone="Asia/Kolkata",
        known_utc=T + DAY,
        fingerprint="ab" * 32,
        version="0.1.0",
        created_utc=created,
    )


async def test_a_document_comes_back_byte_by_byte(reports) -> None:
    kept = await reports.file(filed("r"), {Format.PDF: PRINT, Format.HTML: PAGE})

    found, content = await reports.document("r", Format.HTML)

    assert content == PAGE
    assert (await reports.document("r", Format.PDF))[1] == PRINT
    assert found == kept
    assert found.sheets == (
        Sheet(form=Format.HTML, sha256=hashlib.sha256(PAGE).hexdigest(), size_bytes=len(PAGE)),
        Sheet(form=Format.PDF, sha256=hashlib.sha256(PRINT).hexdigest(), size_bytes=len(PRINT)),
    )
    assert replace(found, sheets=()) == filed("r")


async def test_an_empty_document_is_one(reports) -> None:
    await reports.file(filed("r"), {Format.CSV: b""})

    assert (await reports.document("r", Format.CSV))[1] == b""


async def test_what_is_filed_again_replaces_what_was_there(reports) -> None:
    await reports.file(filed("r"), {Format.PDF: PRINT, Format.HTML: PAGE})
    await reports.file(filed("r"), {Format.PDF: PRINT * 2})

    page = await reports.reports()
    assert [[sheet.form for sheet in each.sheets] for each in page.reports] == [[Format.PDF]]
    assert (await reports.document("r", Format.PDF))[1] == PRINT * 2


@pytest.mark.parametrize("report_id", ["unknown", "", "\0", "' OR 1=1 --", "中文"])
async def test_there_is_no_report_that_was_not_filed(reports, report_id) -> None:
    await reports.file(filed("r"), {Format.PDF: PRINT})

    with pytest.raises(UnknownEntityError, match="there is no report"):
        await reports.document(report_id, Format.PDF)


async def test_a_format_that_was_not_made_is_said_with_those_that_were(reports) -> None:
    await reports.file(filed("r"), {Format.PDF: PRINT, Format.CSV: b"a"})

    with pytest.raises(UnknownEntityError, match="was made as csv, pdf, not as html"):
        await reports.document("r", Format.HTML)


async def test_lists_begin_with_the_newest_and_go_on_behind_a_cursor(reports) -> None:
    for number, created in enumerate([T, T + DAY, T + DAY, T + 2 * DAY]):
        await reports.file(filed(f"r{number}", created=created), {})

    first = await reports.reports(limit=3)
    second = await reports.reports(limit=3, after=first.cursor)

    assert [each.report_id for each in first.reports] == ["r3", "r2", "r1"]
    assert [each.report_id for each in second.reports] == ["r0"]
    assert second.cursor is None


async def test_lists_are_filtered_by_entity_and_by_when_they_were_made(reports) -> None:
    for number, entity_id in enumerate(["site:a", "operator:a", "site:a"]):
        created = T + number * DAY
        await reports.file(filed(f"r{number}", entity_id=entity_id, created=created), {})

    async def ids(**asked: object) -> list[str]:
        return [each.report_id for each in (await reports.reports(**asked)).reports]

    assert await ids(entity_id="site:a") == ["r2", "r0"]
    assert await ids(since=T + DAY) == ["r2", "r1"]
    assert await ids(until=T + DAY) == ["r0"]
    assert await ids(entity_id="site:a", since=T + DAY) == ["r2"]
    assert await ids(entity_id="zone:NO1") == []


@pytest.mark.parametrize("cursor", ["", "x", "bm90IG91cnM=", "MjAyNi0wMy0wMVQxMjowMDowMCBy", "é"])
async def test_a_cursor_of_others_is_refused(reports, cursor) -> None:
    with pytest.raises(InputError, match="this cursor was not given out"):
        await reports.reports(after=cursor)


async def test_reports_are_there_when_the_database_is_opened_again(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    for expected in (0, 1):
        engine = create_engine(url)
        await upgrade_on(engine)
        reports = SqlReports(engine)
        assert len((await reports.reports()).reports) == expected
        await reports.file(filed("r"), {Format.PDF: PRINT})
        await engine.dispose()
