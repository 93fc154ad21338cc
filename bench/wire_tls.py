"""TLS for the wire-to-wire benchmark: one certificate, told to every process by a variable.

The C programs are the plain ones with ``bench/c/tls.h`` between them and their sockets.
"""

import os
import shutil
import ssl
import subprocess
from pathlib import Path

from bench.compiler import SOURCES, compile_program, compiler_command
from bench.harness import BenchmarkError
from engine.tls_context import make_client_context

VARIABLE = "BENCH_TLS"
"""Names the PEM file with key and certificate; not set: no TLS."""


def find_missing() -> str:
    """What this machine lacks for TLS in C, and what to do about it; empty: nothing."""
    if shutil.which("openssl") is None:
        return "the openssl command is missing; install it (apt-get install openssl)"
    check = [*compiler_command(), "-fsyntax-only", "-include", "openssl/ssl.h", "-xc", os.devnull]
    if subprocess.run(check, capture_output=True, check=False).returncode != 0:
        return "openssl/ssl.h is missing; install it (apt-get install libssl-dev)"
    return ""


def make_certificate(directory: Path) -> Path:
    """A key with a certificate for 127.0.0.1 that is its own issuer, for two days."""
    path = directory / "exchange.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise BenchmarkError(f"openssl made no certificate: {made.stderr}")
    with path.open("a") as file:
        file.write(made.stdout)
    return path


def compile_under_tls(name: str, *sources: str) -> Path:
    """The program ``name`` of the benchmark, with TLS under it."""
    include = ("-include", str(SOURCES / "tls.h"))
    return compile_program(name, *sources, flags=include, libraries=("ssl", "crypto"))


def client_context() -> ssl.SSLContext | None:
    """What a client of this run believes; None without TLS."""
    file = os.environ.get(VARIABLE)
    return make_client_context(file, "bench") if file else None
