"""What a failed handshake is told as: which host, why, what to do."""

import ssl

import pytest

from ext.tls_words import describe_connect_failure


def refused(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "as OpenSSL has it")
    error.verify_code, error.verify_message = code, message
    return error


def failed(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "[SSL] something (_ssl.c:1006)")
    if reason is not None:
        error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            refused(62, "Hostname mismatch, certificate is not valid for 'a.test'."),
            "the certificate of a.test is refused: Hostname mismatch, certificate is not valid for"
            " 'a.test'; connect by a name that the certificate holds, or ask whose server that is",
        ),
        (
            refused(10, "certificate has expired"),
            "the certificate of a.test is refused: certificate has expired;"
            " look at this host's clock, then ask the venue",
        ),
        (
            refused(18, "self-signed certificate"),
            "the certificate of a.test is refused: self-signed certificate; its issuer is not"
            " trusted here: name its certificate in ca_file, or install the system's",
        ),
        (refused(23, "revoked"), "the certificate of a.test is refused: revoked"),
        (refused(23, ""), "the certificate of a.test is refused: not verified"),
        (
            failed("WRONG_VERSION_NUMBER"),
            "no TLS with a.test: it does not speak TLS there:"
            " is the port right, or is it a plain one?",
        ),
        (
            failed("UNSUPPORTED_PROTOCOL"),
            "no TLS with a.test: it offers no TLS from 1.2 on, and nothing older will do",
        ),
        (failed("NO_SHARED_CIPHER"), "no TLS with a.test: NO SHARED CIPHER"),
        (ConnectionRefusedError(111, "Connection refused"), "[Errno 111] Connection refused"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_words(error: OSError, words: str) -> None:
    assert describe_connect_failure(error, "a.test") == words
