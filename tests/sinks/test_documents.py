"""A report as a file says the figures of the report, and names as they are."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any
from zipfile import ZipFile

import polars as pl
import pypdf
import pytest
from tests.flows.conftest import World, empty_world
from tests.flows.report_examples import DAY, HOUR, conditions, draw, made

from wattbook.core.registry.entities import Meter, MeterKind
from wattbook.core.reporting.report import Format, Report
from wattbook.ports.registry import Edit
from wattbook.sinks import documents

pytestmark = pytest.mark.slow

T = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [
    "Pecos ⚡ → ₿",
    "<script>alert(1)</script> & \"quotes\" 'single'",
    '#panic("typst") $x$ *bold* _under_ `code` @ref <label> \\ // /* [b]',
    "{{ 7 * 7 }} {% raw %}",
    '=HYPERLINK("http://x")',
    "Ελλάδα Україна Đà Nẵng",
    "中文 한국 日本 ไทย العربية हिन्दी 😀",
]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with empty_world() as opened:
        yield opened


async def week(world: World, name: str = "Pecos 1") -> Report:
    """10 kW for a week with a day missing; 50 EUR/MWh, gas, for the first two days."""
    await world.add("s", zone="US-TEX-ERCO", timezone="UTC")
    await world.registry.edit("s", Edit(changes={"name": name}), world.clock.now())
    await draw(world, "s.main", T, [10.0] * 72 + [None] * 24 + [10.0] * 72)
    price = {"gen_gas_mw": 1.0, "price_per_mwh": 50.0, "currency": "EUR"}
    await conditions(world, "US-TEX-ERCO", T, [price] * 48)
    return await made(world, "s", T, 7 * DAY)


def said(pdf: bytes) -> str:
    """What a PDF says, blanks of every kind as one."""
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


class Page(HTMLParser):
    """Text and tags of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.text, self.tags = "", []  # type: ignore[var-annotated]
        self.feed(page.decode())
        self.text = " ".join(self.text.split())

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)


async def test_pdf_and_html_say_the_same_figures(world) -> None:
    report = await week(world)

    for text in (said(documents.render(report, Format.PDF)),
                 Page(documents.render(report, Format.HTML)).text):  # fmt: skip
        # 144 hours × 10 kW; 6 of 7 days; 0.48 MWh × 50 EUR of 1.44 MWh
        for figure in ("1 440.0 kWh", "85.7 %", "24.00 EUR", "33.3 % of the energy"):
            assert figure in text
        assert "1 to 7 January 2026" in text
        assert "“From readings to energy”" in text
        assert "docs/methods" not in text
        assert report.fingerprint.sha256 in text.replace(" ", "")
        assert "1 day (24 of 168 readings) is missing" in text


async def test_json_has_every_figure_with_the_keys_of_the_api(world) -> None:
    report = await week(world)

    document = json.loads(documents.render(report, Format.JSON))

    assert document["entity_id"] == "site:s"
    assert (document["start"], document["end"]) == ("2026-01-01T00:00:00Z", "2026-01-08T00:00:00Z")
    assert document["total"]["energy_kwh"] == 1440.0
    assert document["costs"] == [{"currency": "EUR", "cost": 24.0, "cost_energy_share": 1 / 3}]
    (gap,) = document["quality"]["gaps"]
    assert (gap["start"], gap["length_s"]) == ("2026-01-04T00:00:00Z", 86_400)
    assert len(document["series"]) == 168
    assert document["series"][72]["energy_kwh"] is None
    assert document["fingerprint"]["manifest"][0] == "entity site:s"


async def test_csv_is_the_series_and_zip_every_table(world) -> None:
    report = await week(world)

    rows = list(csv.DictReader(io.StringIO(documents.render(report, Format.CSV).decode())))
    packed = ZipFile(io.BytesIO(documents.render(report, Format.ZIP)))

    assert len(rows) == 168
    assert (rows[0]["start"], rows[0]["energy_kwh"]) == ("2026-01-01T00:00:00Z", "10.0")
    assert rows[72]["energy_kwh"] == ""  # unknown, not zero
    assert packed.read("series.csv") == documents.render(report, Format.CSV)
    (site,) = csv.DictReader(io.StringIO(packed.read("sites.csv").decode()))
    assert (site["site_id"], site["energy_kwh"]) == ("s", "1440.0")
    assert "reading" in packed.read("fingerprint.txt").decode()


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_is_text_whatever_it_looks_like(world, name) -> None:
    report = await week(world, name)

    page = Page(documents.render(report, Format.HTML))
    pdf = documents.render(report, Format.PDF)
    printed, about = said(pdf), pypdf.PdfReader(io.BytesIO(pdf)).metadata

    assert about is not None
    assert str(about.title).startswith(f"{name}: Energy report")
    assert name in page.text
    assert "script" not in page.tags
    assert json.loads(documents.render(report, Format.JSON))["name"] == name
    assert "Key figures" in printed
    if name is not NAMES[-1]:  # these letters are in no font that comes along: boxes on the page
        assert name.replace(" ", "") in printed.replace(" ", "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "＝", " ="])  # noqa: RUF001
async def test_what_a_spreadsheet_would_compute_is_text(world, start) -> None:
    meter = Meter(id=f"{start}1+1", site_id="s", kind=MeterKind.INTERVAL, expected_interval_s=3600)
    await world.add("s", meter)
    await world.registry.edit(
        "s", Edit(changes={"name": f"{start}cmd|' /C calc'!A0"}), world.clock.now()
    )
    report = await made(world, "s", T, DAY)

    packed = ZipFile(io.BytesIO(documents.render(report, Format.ZIP)))
    (site,) = csv.DictReader(io.StringIO(packed.read("sites.csv").decode()))
    (gap,) = csv.DictReader(io.StringIO(packed.read("gaps.csv").decode()))

    assert site["name"] == f"'{start}cmd|' /C calc'!A0"
    assert gap["meter_id"] == f"'{start}1+1"


async def test_figures_below_zero_stay_figures(world) -> None:
    await world.add("s", zone="XZ", timezone="UTC")
    await draw(world, "s.main", T, [1000.0])
    await conditions(world, "XZ", T, [{"price_per_mwh": -20.0, "currency": "EUR"}])
    report = await made(world, "s", T, HOUR)

    (row,) = csv.DictReader(io.StringIO(documents.render(report, Format.CSV).decode()))

    assert row["cost"] == "-20.0"


async def test_a_period_without_readings_is_a_report_that_says_so(world) -> None:
    await world.add("s", timezone="UTC")
    report = await made(world, "s", T, 30 * DAY)

    for text in (said(documents.render(report, Format.PDF)),
                 Page(documents.render(report, Format.HTML)).text):  # fmt: skip
        assert "There are no readings in this period" in text
        assert "0.0 kWh" not in text


async def test_a_pdf_can_be_kept_and_heard(world) -> None:
    report = await week(world)

    reader = pypdf.PdfReader(io.BytesIO(documents.render(report, Format.PDF)))

    assert reader.metadata is not None
    title = str(reader.metadata.title).replace("\xa0", " ")
    assert title == "Pecos 1: Energy report, 1 to 7 January 2026"
    assert reader.metadata.creation_date == report.scope.known_utc.replace(microsecond=0)
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    about = root["/Metadata"].get_data()
    assert b"<pdfaid:part>2" in about
    assert b"<pdfuaid:part>1" in about


async def test_a_page_runs_nothing_and_asks_for_nothing(world) -> None:
    page = documents.render(await week(world), Format.HTML)

    tags = set(Page(page).tags)
    assert tags.isdisjoint({"script", "link", "img", "iframe", "object", "embed", "form"})
    assert re.findall(rb'(?:href|src)="(?!#)', page) == []
    assert b"url(" not in re.sub(rb"url\((?:#[\w-]+|data:font/woff2;base64,[\w+/=]+)\)", b"", page)


async def test_only_what_was_known_decides_a_document(world) -> None:
    report = await week(world)
    later = replace(report.scope, known_utc=report.scope.known_utc + timedelta(days=1))

    assert documents.render(report, Format.PDF) == documents.render(report, Format.PDF)
    assert documents.render(replace(report, scope=later), Format.PDF) != documents.render(
        report, Format.PDF
    )


async def test_an_operator_of_many_sites_lists_them_all(world) -> None:
    for at in range(45):
        await world.add(f"s{at:02}", timezone="UTC")
        await draw(world, f"s{at:02}.main", T, [float(at + 1)])
    report = await made(world, "operator:alder", T, HOUR)

    text = said(documents.render(report, Format.PDF))

    assert isinstance(report.sites, pl.DataFrame)
    assert all(f"s{at:02}" in text for at in range(45))
    assert "The table has 31 sites more." in text  # beside 14 bars
