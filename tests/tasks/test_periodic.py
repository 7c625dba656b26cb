"""The log lines of background work that fails."""

import logging

import pytest

from pileus.domain.errors import Unavailable
from pileus.tasks.periodic import FailureLog

LOG = logging.getLogger("tests.periodic")


@pytest.fixture
def failures() -> FailureLog:
    return FailureLog(LOG, "Polling failed")


def test_a_part_that_is_away_is_logged_once_without_a_trace(
    failures: FailureLog, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        failures.add(Unavailable("away"), source="poll")

    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert (vars(record)["reason"], vars(record)["source"]) == ("away", "poll")


def test_the_next_outage_is_logged_again(failures: FailureLog, caplog: pytest.LogCaptureFixture) -> None:
    failures.add(Unavailable("away"))
    failures.clear()
    failures.add(Unavailable("away again"))

    assert [vars(record)["reason"] for record in caplog.records] == ["away", "away again"]


def test_every_unexpected_failure_is_logged_with_its_trace(
    failures: FailureLog, caplog: pytest.LogCaptureFixture
) -> None:
    failures.add(ValueError("first"))
    failures.add(ValueError("second"))

    assert [record.exc_info is not None for record in caplog.records] == [True, True]
