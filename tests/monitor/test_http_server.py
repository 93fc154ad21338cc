import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client import CollectorRegistry, Gauge

from ext.errors import ConfigError
from monitor.http_server import HttpServer

HEALTH: tuple[bool, dict[str, Any]] = (True, {"healthy": True, "reason": ""})


@pytest.fixture
def facts() -> list[tuple[bool, dict[str, Any]]]:
    return [HEALTH]


@pytest.fixture
def server(facts: list[tuple[bool, dict[str, Any]]]) -> Iterator[HttpServer]:
    registry = CollectorRegistry()
    Gauge("wow_test", "A gauge", registry=registry).set(7)
    http_server = HttpServer("127.0.0.1", 0, registry, lambda: facts[0])
    yield http_server
    http_server.close()


def get(server: HttpServer, path: str) -> tuple[int, str, str]:
    address = urlsplit(server.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    answer = response.status, response.getheader("Content-Type", ""), response.read().decode()
    connection.close()
    return answer


def test_metrics(server: HttpServer) -> None:
    status, kind, body = get(server, "/metrics")
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert "wow_test 7.0" in body


def test_health(server: HttpServer, facts: list[tuple[bool, dict[str, Any]]]) -> None:
    status, kind, body = get(server, "/healthz")
    assert (status, kind, json.loads(body)) == (200, "application/json", HEALTH[1])
    facts[0] = (False, {"healthy": False, "reason": "engine is STOPPED"})
    status, _, body = get(server, "/healthz")
    assert (status, json.loads(body)["reason"]) == (503, "engine is STOPPED")


def test_other_paths_name_the_ones_there_are(server: HttpServer) -> None:
    status, _, body = get(server, "/")
    assert status == 404
    assert "/healthz" in json.loads(body)["error"]


def test_a_taken_port_is_explained(server: HttpServer) -> None:
    port = urlsplit(server.url).port
    assert port is not None
    with pytest.raises(ConfigError, match=f"cannot serve metrics on 127.0.0.1:{port}"):
        HttpServer("127.0.0.1", port, CollectorRegistry(), lambda: HEALTH)
