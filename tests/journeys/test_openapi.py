"""The service answers what its OpenAPI document says, whatever is asked of it."""

import http.client
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.journeys.conftest import Service

pytestmark = [pytest.mark.process, pytest.mark.slow]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
REQUESTS_PER_ROUTE = 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("openapi") / "data", SCHEDULES_ENABLED="false")
    running.register("0")
    yield running
    running.stop()


def faults(operation: Any) -> dict[str, str]:
    """What answers of one route have that the document does not say, with the first example."""
    wrong: dict[str, str] = {}

    @given(case=operation.as_strategy())
    @settings(
        max_examples=REQUESTS_PER_ROUTE,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        answer = case.call(timeout=600)
        for check in CHECKS:
            try:
                case.validate_response(answer, checks=[check])
            except FailureGroup as error:
                what = f"{operation.label}: {check.__name__} of {answer.status_code}"
                wrong.setdefault(what, str(error))

    ask()
    return wrong


def test_every_answer_is_one_that_the_document_names(service: Service) -> None:
    """Twenty requests made from the document for each route: statuses, types and shapes agree."""
    address = f"http://127.0.0.1:{service.port}/openapi.json"
    operations = list(schemathesis.openapi.from_url(address).get_all_operations())

    wrong: dict[str, str] = {}
    for each in operations:
        assert isinstance(each, Ok), each
        wrong |= faults(each.ok())

    assert len(operations) >= 50
    assert not wrong, "\n\n".join(f"{what}\n{why}" for what, why in wrong.items())


def test_a_method_that_a_path_does_not_take_is_answered_with_all_that_it_takes(
    service: Service,
) -> None:
    asked = http.client.HTTPConnection("127.0.0.1", service.port, timeout=600)
    with closing(asked) as connection:
        connection.request("PATCH", "/api/v1/sites/0/tariffs")
        answer = connection.getresponse()

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, POST, PUT"


@pytest.mark.parametrize("day", ["0", "1767225600", "yesterday"])
def test_a_date_is_a_date_and_no_number(service: Service, day: str) -> None:
    status, document = service.call("GET", f"/stats?end={day}")

    assert status == 422
    assert "must be a date" in document["detail"]
