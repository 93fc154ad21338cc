"""What a failed TLS handshake means and what to do about it, in words.

The numbers are OpenSSL's: X509_V_ERR_* of ``openssl/x509_vfy.h``, the same in every version.
"""

import ssl

_ISSUER = "its issuer is not trusted here: name its certificate in ca_file, or install the system's"
_NAME = "connect by a name that the certificate holds, or ask whose server that is"
_CLOCK = "look at this host's clock, then ask the venue"

REMEDIES = {
    9: _CLOCK,  # not yet valid
    10: _CLOCK,  # has expired
    18: _ISSUER,  # self-signed
    19: _ISSUER,  # self-signed certificate in the chain
    20: _ISSUER,  # unable to get local issuer certificate
    21: _ISSUER,  # unable to verify the first certificate
    62: _NAME,  # host name mismatch
    64: _NAME,  # IP address mismatch
}
REASONS = {
    "WRONG_VERSION_NUMBER": "it does not speak TLS there: is the port right, or is it a plain one?",
    "HTTP_REQUEST": "it does not speak TLS there: is the port right?",
    "UNSUPPORTED_PROTOCOL": "it offers no TLS from 1.2 on, and nothing older will do",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it offers no TLS from 1.2 on, and nothing older will do",
}


def describe_connect_failure(error: BaseException, host: str) -> str:
    """Why no connection came about: for TLS which host, why and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = REMEDIES.get(error.verify_code, "")
        reason = (error.verify_message or "not verified").rstrip(".")
        return f"the certificate of {host} is refused: {reason}{remedy and f'; {remedy}'}"
    if isinstance(error, ssl.SSLError):
        reason = REASONS.get(error.reason or "", str(error.reason or error).replace("_", " "))
        return f"no TLS with {host}: {reason}"
    return str(error) or type(error).__name__
