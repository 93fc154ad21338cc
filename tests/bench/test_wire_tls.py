"""What TLS of the benchmark stands on: the certificate, and what a client makes of it."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from bench.harness import BenchmarkError
from bench.wire_tls import VARIABLE, client_context, find_missing, make_certificate


def test_without_the_variable_there_is_no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert client_context() is None


def test_client_believes_the_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if missing := find_missing():
        pytest.skip(missing)
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv(VARIABLE, str(certificate))
    client = client_context()
    assert client is not None
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        theirs.settimeout(10)
        versions: list[str | None] = []

        def serve() -> None:
            with server.wrap_socket(theirs, server_side=True) as session:
                versions.append(session.version())

        thread = threading.Thread(target=serve)
        thread.start()
        with client.wrap_socket(ours, server_hostname="127.0.0.1") as session:
            assert session.version() == "TLSv1.3"
        thread.join()
        assert versions == ["TLSv1.3"]


def test_certificate_that_cannot_be_made(tmp_path: Path) -> None:
    if missing := find_missing():
        pytest.skip(missing)
    with pytest.raises(BenchmarkError, match="openssl made no certificate"):
        make_certificate(tmp_path / "nowhere")
