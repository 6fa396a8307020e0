"""The library's clients: some 2 MB each, made once, and for a region's own services only while it is walked."""

from __future__ import annotations

import socket
import struct
import threading
import time
from typing import Any

import boto3
import pytest
from aws_cases import EAST, NOW, SHAPES, fetch
from aws_server import AwsFake

from providers.aws import fetch_spot_history
from providers.aws.client import AwsClient
from providers.regions import WORKERS

REGIONS = [f"eu-west-{number}" for number in range(1, 2 * WORKERS + 1)]


class Watching:
    """A session that notes which clients are made and which of them are open, and how many were at once."""

    def __init__(self, session: boto3.Session) -> None:
        self._session = session
        self.made: list[tuple[str, str]] = []
        self.open: list[tuple[str, str]] = []
        self.most_of_ec2 = 0

    def get_credentials(self) -> object:
        return self._session.get_credentials()

    def client(self, service: str, region_name: str, config: object) -> object:
        made: Any = self._session.client(service, region_name=region_name, config=config)
        self.made.append((service, region_name))
        self.open.append((service, region_name))
        self.most_of_ec2 = max(self.most_of_ec2, sum(name == "ec2" for name, _ in self.open))
        close = made.close

        def noted() -> None:
            self.open.remove((service, region_name))
            close()

        made.close = noted
        return made


@pytest.fixture
def watching(aws: AwsFake, aws_session: boto3.Session) -> Watching:
    aws.opt_in = dict.fromkeys((EAST, *REGIONS), "opt-in-not-required")
    aws.region_codes = [EAST, *REGIONS]
    return Watching(aws_session)


def test_after_a_fetch_only_the_global_services_clients_are_open(aws: AwsFake, watching: Watching) -> None:
    aws.fail("DescribeSpotPriceHistory", region=REGIONS[3], code="UnauthorizedOperation", status=403)
    result = fetch(AwsClient(watching))
    assert len(result.covered) == 3 * (1 + len(REGIONS)) - 1
    assert sorted(watching.made) == sorted(
        [("pricing", EAST), *(("ec2", region) for region in (EAST, *REGIONS))]
    )
    assert watching.open == [("pricing", EAST)]
    # One for each worker, and us-east-1's, of which the list of regions was asked.
    assert watching.most_of_ec2 <= WORKERS + 1


def test_a_closed_client_leaves_nothing_open(watching: Watching) -> None:
    client = AwsClient(watching)
    fetch(client)
    client.opt_in_statuses()
    assert watching.open == [("pricing", EAST), ("ec2", EAST)]
    client.close()
    assert watching.open == []


def test_after_a_history_no_region_s_client_is_open(aws: AwsFake, watching: Watching) -> None:
    assert fetch_spot_history(SHAPES, None, AwsClient(watching), now=NOW) == ()
    assert len(aws.calls("DescribeSpotPriceHistory")) == 1 + len(REGIONS)
    assert watching.open == []


def test_clients_are_made_once_however_many_threads_ask(watching: Watching) -> None:
    client = AwsClient(watching)
    threads = [threading.Thread(target=client.opt_in_statuses) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watching.made == [("ec2", EAST)]


def test_a_region_that_was_left_can_be_asked_again(watching: Watching) -> None:
    client = AwsClient(watching)
    client.leave(EAST)
    before = client.opt_in_statuses()
    client.leave(EAST)
    assert client.opt_in_statuses() == before
    assert watching.made == [("ec2", EAST)] * 2


def test_a_client_that_hangs_up_on_the_fake_is_no_traceback_in_the_tests_output(
    aws: AwsFake, capfd: pytest.CaptureFixture[str]
) -> None:
    aws.fail("/large", status=200, wait_s=0.05)
    aws.files["/large"] = b"x" * 10_000_000
    before = set(threading.enumerate())
    with socket.create_connection(("127.0.0.1", int(aws.url.rpartition(":")[2]))) as caller:
        caller.sendall(b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while not aws.calls("/large"):
            time.sleep(0.002)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    while set(threading.enumerate()) - before:
        time.sleep(0.002)
    assert capfd.readouterr().err == ""
