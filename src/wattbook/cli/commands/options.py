"""Options that several commands have."""

import re
from collections.abc import Callable
from typing import Annotated, Final, Literal

import typer

from wattbook.core.former_words import present

# Words of `core.meters` and others, spelled out: their modules load Polars.
KindName = Literal["power", "interval", "register"]
FlowName = Literal["consumption", "net"]
StateName = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
LabelName = Literal["start", "end"]
CurveName = Literal["A01", "A03"]
DateOrderName = Literal["ymd", "dmy", "mdy"]


UNITS_S: Final = {"": 1, "s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400}
LENGTH: Final = re.compile(r"(\d{1,8}) ?(s|min|m|h|d|)", re.IGNORECASE)
ISO_LENGTH: Final = re.compile(
    r"P(?:(\d{1,4})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?"
)


def seconds(text: str) -> int:
    """A length of time in seconds: `15min`, `1h`, `PT15M`, or a number of seconds.

    >>> [seconds(each) for each in ("900", "15min", "15 m", "1h", "1d", "PT15M", "PT1H30M", "P1D")]
    [900, 900, 900, 3600, 86400, 900, 5400, 86400]
    """
    found = 0
    if plain := LENGTH.fullmatch(text.strip()):
        found = int(plain[1]) * UNITS_S[plain[2].lower()]
    elif iso := ISO_LENGTH.fullmatch(text.strip().upper()):
        parts = zip(iso.groups(), (86_400, 3600, 60, 1), strict=True)
        found = sum(int(count or 0) * unit_s for count, unit_s in parts)
    if not found:
        detail = f"invalid length {text!r}: use 15min, 1h, PT15M, or a number of seconds"
        raise typer.BadParameter(detail)
    return found


def service(context: typer.Context, url: str | None) -> str | None:
    """The service to ask; a data folder that is named goes before WATTBOOK_URL."""
    if url is None or context.find_root().params.get("data_dir") is None:
        return url
    source = context.get_parameter_source("url")
    if source is not None and source.name == "ENVIRONMENT":
        return None
    raise typer.BadParameter("use --url or --data-dir, not both")


From = Annotated[
    str,
    typer.Option("--from", metavar="WHEN", help="Date at the site, or instant with offset."),
]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="WHEN", help="End (exclusive). Default: the end of the data."),
]
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="WHEN", help="Use only data known at this time. Default: all data."
    ),
]


def one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    """A parser of one of some words, or of a word of an earlier version that means the same."""

    def parse(text: str) -> str:
        if (word := present(text)) in words:
            return word
        raise typer.BadParameter(f"{text!r} is not one of {', '.join(map(repr, words))}")

    return parse


GRAINS: Final = ("15min", "hour", "day", "week", "month")
STEPS: Final = ("15min", "hour", "day")
GRAINS_SHOWN: Final = f"[{'|'.join(GRAINS)}]"
STEPS_SHOWN: Final = f"[{'|'.join(STEPS)}]"
GrainOption = Annotated[
    str, typer.Option(parser=one_of(GRAINS), metavar=GRAINS_SHOWN, help="Length of a bucket.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, the document of the HTTP API.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="The rows as CSV.")]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="WATTBOOK_URL",
        callback=service,
        help="Ask this running service, as http://127.0.0.1:8000, and not the stores here.",
    ),
]
