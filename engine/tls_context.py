"""Whom the engine believes under TLS: certificates of the system, or of one file."""

import ssl

from ext.errors import ConfigError


def make_client_context(ca_file: str, section: str) -> ssl.SSLContext:
    """TLS 1.2 or newer, the peer's certificate and name always verified, no renegotiation.

    ``ca_file``: PEM certificates that are trusted instead of the system's; empty: the system's.
    ConfigError when it will not do; ``section`` is whose key it is.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "no PEM certificates"
        raise ConfigError(
            f'[{section}] ca_file was "{ca_file}", which cannot be used: {reason}; name a PEM file'
            " of certificates to trust, or leave it empty for the system's"
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    return context
