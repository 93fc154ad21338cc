"""The REST client of a KILL. Apart from ``kill_access``, because its library takes a quarter of a
second to load: ``wow-kill`` sets the kill word before."""

from engine.rest.rest_client import make_rest_client
from engine.settings.config_schema import EngineConfig
from ext.errors import ConfigError
from gateways.rest_transport import RestTransport


def make_kill_transport(config: EngineConfig, url: str) -> RestTransport:
    """A client with the keys of [kill], or else those of [order_entry]. ConfigError when a key
    cannot be read."""
    kill, order_entry = config.kill, config.order_entry
    keys = (kill.key, kill.secret, kill.passphrase)
    if kill.key is None and order_entry is not None:
        keys = (order_entry.key, order_entry.secret, order_entry.passphrase)
    key, secret, passphrase = keys
    if key is None or secret is None or passphrase is None:
        raise ConfigError("[kill] has no key, and there is no [order_entry] to take one from")
    ca_file = kill.ca_file
    if not kill.rest_url and config.reconciliation is not None:
        ca_file = ca_file or config.reconciliation.ca_file
    return make_rest_client(
        "kill", url, (key, secret, passphrase), ca_file=ca_file, timeout_ms=kill.timeout_ms
    )
