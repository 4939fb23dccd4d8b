"""What `/docs` and `/openapi.json` say of the API beside the code: its parts, and examples.

The examples are answers that the service gave to the requests of `docs/api.md`; a test records
them, and fails where they are not the present ones.
"""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any, Final

ABOUT: Final = """Energy readings in; load, cost and carbon out, with every figure traceable to its
readings, its formula and its source. Times are ISO 8601 with offset, spans are half-open, null
means unknown."""
TAGS: Final = {
    "sites": "Sites with their meters, machines, supplies and tariffs, and the grid zones.",
    "ingest": "Readings and zone conditions come in, as JSON, CSV, Parquet or Arrow; receipts.",
    "write": "Line protocol, as InfluxDB's clients send it.",
    "readings": "Readings as they are known now, and what changed since a time.",
    "metrics": "Energy, power and hash rate by 15 minutes, hour, day, week or month.",
    "analytics": "Emissions and cost, with the factors and prices behind them.",
    "forecast": "Forecasts of load and hash rate with their intervals, and how good they were.",
    "anomalies": "Findings of rules and models, and their review by a person.",
    "reports": "Reports as PDF, HTML, JSON and CSV, with a fingerprint of what they rest on.",
    "jobs": "Long work in the background: progress, schedules, retention, tombstones.",
    "stats": "How much is stored, and what the service did.",
    "health": "Whether the service lives and its stores answer.",
}
"""The parts of the API in the order in which `/docs` shows them."""
FILE: Final = "examples.json"


def tags() -> list[dict[str, str]]:
    """The parts of the API as OpenAPI describes them."""
    return [{"name": name, "description": said} for name, said in TAGS.items()]


def add_examples(schema: dict[str, Any]) -> None:
    """Add an example to each body and each answer of an OpenAPI document.

    Where an answer of its own is not recorded, that of another operation with the same form is
    shown.
    """
    text = (resources.files(__package__) / FILE).read_text("utf-8")
    recorded: dict[str, dict[str, Any]] = json.loads(text)
    forms: dict[tuple[str, str], Any] = {}
    for name, operation in operations(schema):
        found = recorded.get(name, {})
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            if media in found.get("bodies", {}):
                content["example"] = found["bodies"][media]
        answers = found.get("answers", {})
        for status, media, content in _answers(operation):
            own: dict[str, Any] = answers.get(status) or next(_unlisted(operation, answers), {})
            if (example := own.get(media)) is not None:
                content["example"] = example
                forms.setdefault(_form(media, content), example)
    for _, operation in operations(schema):
        for _, media, content in _answers(operation):
            if "example" not in content and (form := _form(media, content)) in forms:
                content["example"] = forms[form]


def add_summaries(schema: dict[str, Any]) -> None:
    """The first sentence of each operation in place of the name of its function."""
    for _, operation in operations(schema):
        first = operation["description"].split("\n")[0]
        operation["summary"] = first.split(". ")[0].removesuffix(".")


def _form(media: str, content: dict[str, Any]) -> tuple[str, str]:
    """What two answers of the same form have in common: the schema, but for its title."""
    schema = {name: each for name, each in content.get("schema", {}).items() if name != "title"}
    return media, json.dumps(schema, sort_keys=True)


def _unlisted(
    operation: dict[str, Any], answers: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Recorded answers whose status says nothing of what it holds: they have the same form."""
    for status, answer in answers.items():
        if not operation["responses"].get(status, {}).get("content"):
            yield answer


def _answers(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The status, the media type and the content of each good answer."""
    for status, response in operation["responses"].items():
        for media, content in response.get("content", {}).items():
            if status.startswith("2"):
                yield status, media, content


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each operation of an OpenAPI document, by its method and path."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation
