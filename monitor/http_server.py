"""Serves ``/metrics`` and ``/healthz`` from a thread of the relay."""

import json
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from ext.errors import ConfigError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

REQUEST_TIMEOUT_SECONDS = 5.0  # a client that says nothing must not hold its thread for ever
POLL_SECONDS = 0.1

HealthCheck = Callable[[], tuple[bool, dict[str, Any]]]


class HttpServer:
    """Listens from the moment it is made until ``close``."""

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, health_check: HealthCheck
    ) -> None:
        """Port 0 takes a free one; raises ConfigError when the port cannot be used."""
        metrics_app = make_wsgi_app(registry)

        def application(
            environ: "WSGIEnvironment", start_response: "StartResponse"
        ) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if path == "/metrics":
                pages: Iterable[bytes] = metrics_app(environ, start_response)
                return pages
            if path == "/healthz":
                is_healthy, facts = health_check()
                status = "200 OK" if is_healthy else "503 Service Unavailable"
            else:
                status = "404 Not Found"
                facts = {"error": f"no {path} here; there are /metrics and /healthz"}
            start_response(status, [("Content-Type", "application/json")])
            return [json.dumps(facts).encode() + b"\n"]

        try:
            self._server = make_server(host, port, application, _Server, _QuietHandler)
        except OSError as error:
            raise ConfigError(
                f"cannot serve metrics on {host}:{port}: {error.strerror}; choose another "
                "--http-port, 0 takes a free one"
            ) from error
        self.url = f"http://{host}:{self._server.server_port}"
        self._thread = Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stops listening; waits for the thread."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False


class _QuietHandler(WSGIRequestHandler):
    timeout = REQUEST_TIMEOUT_SECONDS

    def log_message(self, format: str, *args: object) -> None:
        """One line per scrape would bury the relay's own messages."""
