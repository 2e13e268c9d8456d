"""What a webhook's answer means, and which addresses are looked at twice."""

from datetime import UTC, datetime, timedelta

import pytest

from workflows.notify.answer import Delivered, Refused, RetryAfter
from workflows.notify.guard import private
from workflows.notify.webhook import judge, patience

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_two_hundred_and_something_is_delivered(status: int) -> None:
    assert judge(status, None, NOW) == Delivered(f"HTTP {status}")


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 405, 410, 413, 501])
def test_what_will_never_be_taken_is_refused(status: int) -> None:
    assert judge(status, None, NOW) == Refused(f"HTTP {status}")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert judge(status, None, NOW) == RetryAfter(f"HTTP {status}", None)


def test_patience_is_as_long_as_the_header_says() -> None:
    assert judge(429, "7", NOW) == RetryAfter("HTTP 429", timedelta(seconds=7))
    assert patience("Wed, 25 Nov 2026 12:01:00 GMT", NOW) == timedelta(minutes=1)
    assert patience("Wed, 25 Nov 2026 11:00:00 GMT", NOW) == timedelta()
    assert patience("soon", NOW) is None and patience(None, NOW) is None


@pytest.mark.parametrize("said", ["86401", "999999999999", "9" * 20, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_receiver_is_given_more_patience_than_a_day(said: str) -> None:
    assert patience(said, NOW) == timedelta(days=1)


@pytest.mark.parametrize(
    "said",
    ["²", "٣", "-1", "1.5", "inf", "", "Wed, 25 Nov 99999999999999999999 12:01:00 GMT", "0, 00 00 00:00:00 +9999"],
)
def test_what_is_neither_seconds_nor_a_date_says_nothing(said: str) -> None:
    assert patience(said, NOW) is None


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.9", "172.16.4.4", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "fd00::1",
     "::ffff:127.0.0.1", "100.64.0.1", "224.0.0.1"],
)  # fmt: skip
def test_addresses_of_this_network_are_private(address: str) -> None:
    assert private(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1"])
def test_public_addresses_are_not(address: str) -> None:
    assert not private(address)
