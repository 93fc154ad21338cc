"""What orders by REST are joined of: encoder, sender, and who we are to the venue."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.settings.config_metadata import SIMULATOR
from engine.settings.config_schema import EngineConfig
from engine.settings.config_venues import OrderEntrySection
from engine.tls_context import make_client_context
from ext.codecs.coinbase_rest_order import CoinbaseRestOrderEncoder
from ext.errors import ConfigError
from ext.instrument_table import InstrumentTable
from ext.orders import OrderTable
from ext.rest_sender import RestSender
from ext.session_store import SessionStore
from ext.tcp_sender import TcpSender
from ext.tls_channel import TlsChannel

# Coinbase Exchange REST, stp: cancel the newest, which is the aggressor, as by FIX.
SELF_TRADE_RULE = "cn"
# Whoever has no amend is told so by this parameter, where it is declared: cancel, and place anew.
REPLACES_PARAMETER = "replaces"
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class RestOrderParts:
    """What order entry by REST needs beyond the pipeline."""

    store: SessionStore
    sender: RestSender
    senders: list[TcpSender | TlsChannel]
    host: str


def is_by_rest(config: EngineConfig) -> bool:
    """Whether orders of this config go by REST."""
    return config.order_entry is not None and config.order_entry.protocol == "rest"


def host_header(section: OrderEntrySection) -> str:
    """The Host of every request. It is part of what is journaled, and the simulated venue's port
    is not known yet when the templates are made."""
    return "127.0.0.1" if section.rest_url == SIMULATOR else urlsplit(section.rest_url).netloc


def split_address(url: str) -> tuple[str, int]:
    """Host and port of a REST address."""
    address = urlsplit(url)
    return address.hostname or "", address.port or PORTS[address.scheme]


def make_senders(section: OrderEntrySection, *, is_under_tls: bool) -> list[TcpSender | TlsChannel]:
    """One for each connection; ConfigError: ca_file is of no use."""
    if not is_under_tls:
        return [TcpSender() for _ in range(section.connections)]
    context = make_client_context(section.ca_file, "order_entry")
    return [TlsChannel(context) for _ in range(section.connections)]


def make_encoder(
    table: InstrumentTable,
    orders: OrderTable,
    host: str,
    key: str,
    secrets: OrderEntrySection | None,
) -> CoinbaseRestOrderEncoder:
    """Without ``secrets`` nothing can be sealed, as in a replay."""
    if secrets is None:
        return CoinbaseRestOrderEncoder(table, orders, host, key, self_trade_rule=SELF_TRADE_RULE)
    return CoinbaseRestOrderEncoder(
        table,
        orders,
        host,
        key,
        secrets.secret.reveal(),
        secrets.passphrase.reveal(),
        SELF_TRADE_RULE,
    )


def fit_parameters(
    config: EngineConfig, declared: Container[str], given: Mapping[str, object]
) -> Mapping[str, object]:
    """The parameters of a strategy, with ``replaces`` false where orders cannot be amended.

    Raises ConfigError when the config says otherwise.
    """
    if not is_by_rest(config) or REPLACES_PARAMETER not in declared:
        return given
    if given.get(REPLACES_PARAMETER):
        raise ConfigError(
            f"parameter {REPLACES_PARAMETER} was true; orders by rest cannot be amended, leave it"
            " out or use false"
        )
    return {**given, REPLACES_PARAMETER: False}
