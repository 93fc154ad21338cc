"""A REST client of a venue from what a section of the config says."""

from engine.secrets import Secret
from engine.tls_context import make_client_context
from gateways.coinbase_rest import CoinbaseSigner
from gateways.rest_transport import RestLimits, RestRates, RestTransport


def make_rest_client(
    section_name: str,
    url: str,
    keys: tuple[Secret, Secret, Secret],
    *,
    ca_file: str,
    timeout_ms: int,
    rates: RestRates | None = None,
) -> RestTransport:
    """``keys`` are key, secret and passphrase; ``rates`` are shared by all who ask with them.
    ConfigError: a key cannot be read, or ``ca_file`` of the section is of no use."""
    key, secret, passphrase = keys
    is_under_tls = url.startswith("https://")
    return RestTransport(
        url,
        CoinbaseSigner(key.reveal(), secret.reveal(), passphrase.reveal()),
        RestLimits(timeout_ms),
        ssl_context=make_client_context(ca_file, section_name) if is_under_tls else None,
        rates=rates,
    )
