"""The map of the specification agrees with the code, on both sides of every row."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.main import get_command

from wattbook.api.app import create_app
from wattbook.cli.main import app as commands
from wattbook.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "spec-map.md").read_text(encoding="utf-8")
SPEC = ROOT.parent / "shared" / "spec"
CODE = re.compile(r"`([^`]+)`")
STATES = ("works", "planned")
KINDS = (
    "Endpoints",
    "Settings",
    "Commands",
    "Kafka topics",
    "Prometheus metrics",
    "Neo4j relationships",
    "Data models",
    "Folders and files",
    "Components",
    "Scheduled and on-demand tasks",
    "Features",
    "Neighbours",
)
ENDPOINTS = re.compile(r"(?:\|\s*|`)(GET|POST|PATCH|PUT|DELETE)(?:\s*\|\s*`| )(/[^`\s]+)`")
SET = re.compile(r"^([A-Z][A-Z0-9_]+)=|^- `([A-Z][A-Z0-9_]+)` - ", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A name of the specification, where it lives, and whether it works."""

    kind: str
    name: str
    document: str
    here: str
    state: str

    @property
    def works(self) -> bool:
        return self.state == "works"


def rows() -> list[Row]:
    found = []
    for section in PAGE.split("\n## ")[1:]:
        kind, _, text = section.partition("\n")
        for line in text.splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
            if not line.startswith("|") or set(line) <= set("|-") or cells[-1] == "State":
                continue
            assert len(cells) == 4, line
            found.append(Row(kind.strip(), *cells))
    return found


ROWS = rows()


def of(kind: str) -> list[Row]:
    return [row for row in ROWS if row.kind == kind]


def bare(name: str) -> str:
    return name.strip("`")


def shape(endpoint: str) -> str:
    """An endpoint whatever its parameters are called."""
    return re.sub(r"\{\w+\}", "{}", bare(endpoint))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    app = create_app(Settings(data_dir=tmp_path_factory.mktemp("map")))
    return {
        shape(f"{method.upper()} {path}")
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }


def test_there_is_one_table_for_each_kind() -> None:
    assert tuple(dict.fromkeys(row.kind for row in ROWS)) == KINDS


def test_every_row_has_a_state_and_no_name_stands_twice() -> None:
    assert [row for row in ROWS if row.state not in STATES] == []
    names = [(row.kind, row.name) for row in ROWS]
    assert [name for name in set(names) if names.count(name) > 1] == []


def test_what_works_names_something_here_and_what_is_planned_a_place() -> None:
    at_the_root = "the root of this repository"
    silent = [row for row in ROWS if row.works and not CODE.search(row.here)]
    assert [row.name for row in silent if row.here != at_the_root] == []
    assert [
        row.name for row in ROWS if not row.works and "*" not in row.here and "none" not in row.here
    ] == []


@pytest.mark.slow
def test_every_endpoint_that_works_is_served(served: set[str]) -> None:
    assert {shape(row.name) for row in of("Endpoints") if row.works} <= served


def test_no_endpoint_that_is_planned_is_served(served: set[str]) -> None:
    """What has come to work moves its row."""
    assert {shape(row.name) for row in of("Endpoints") if not row.works}.isdisjoint(served)


def test_every_endpoint_served_is_on_the_map(served: set[str]) -> None:
    assert served <= {shape(row.name) for row in of("Endpoints")}


def test_settings_that_work_are_all_settings_there_are() -> None:
    known = {name.upper() for name in Settings.model_fields}
    assert {bare(row.name) for row in of("Settings") if row.works} == known


def test_every_command_named_is_there_and_every_command_there_is_named() -> None:
    known = set(getattr(get_command(commands), "commands", {}))
    working = " ".join(row.here for row in ROWS if row.works)
    named = set(re.findall(r"`wattbook ([a-z]+)", working))
    anywhere = set(re.findall(r"`wattbook ([a-z]+)", PAGE))
    assert named == known
    assert anywhere <= known


def test_every_make_target_named_is_there() -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z]+)", PAGE)) <= set(targets)


@pytest.mark.parametrize("kind", ["Kafka topics", "Prometheus metrics", "Neo4j relationships"])
def test_a_name_that_works_is_in_the_code_and_one_that_is_planned_is_not(kind: str) -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "src").rglob("*.py"))
    for row in of(kind):
        label = re.search(r":(\w+)\]", row.name)
        name = label[1] if label else bare(row.name)
        assert (name in code) == row.works, row.name


def spec() -> str:
    if not SPEC.is_dir():
        pytest.skip("the two documents are not beside this checkout")
    return "\n".join(path.read_text("utf-8") for path in sorted(SPEC.glob("*.txt")))


def test_every_endpoint_of_the_documents_is_on_the_map() -> None:
    asked = {shape(f"{method} {path}") for method, path in ENDPOINTS.findall(spec())}
    assert len(asked) == 20
    assert asked <= {shape(row.name) for row in of("Endpoints")}


def test_every_setting_of_the_documents_is_on_the_map() -> None:
    asked = {first or second for first, second in SET.findall(spec())}
    assert len(asked) >= 24
    assert asked <= {bare(row.name) for row in of("Settings")}


def test_every_topic_metric_and_relationship_of_the_documents_is_on_the_map() -> None:
    named = re.findall(r"^- `([^`]+)` - |^- `(\([^`]+\))`", spec(), re.MULTILINE)
    asked = {first or second for first, second in named}
    asked = {name for name in asked if not name.isupper() and " /" not in name and name[0] != "/"}
    settings_ = {bare(row.name) for row in of("Settings")}
    known = {bare(row.name) for row in ROWS}
    assert {name for name in asked if name not in settings_} <= known


def test_every_command_of_the_documents_is_on_the_map() -> None:
    blocks = re.findall(r"```bash\n(.*?)```", spec(), re.DOTALL)
    asked = [
        line.split("  #")[0].split(" --loglevel")[0].strip()
        for block in blocks
        for line in block.splitlines()
        if line.strip() and not line.startswith("#")
    ]
    known = {bare(row.name) for row in of("Commands")}
    missing = [line for line in asked if line not in known and "Scripts" not in line]
    assert missing == []


def test_every_folder_and_file_of_the_documents_is_on_the_map() -> None:
    tree = re.search(r"```\n(service/.*?)```", spec(), re.DOTALL)
    assert tree is not None
    names = re.findall(r"(?:── |^)([\w./-]+)", tree[1], re.MULTILINE)
    known = " ".join(row.name for row in of("Folders and files"))
    parts = {name.rstrip("/").split("/")[-1] for name in names}
    assert [part for part in sorted(parts) if part not in known] == []
