"""What belongs to which protocol of order entry, and what orders by REST ask of other sections."""

import msgspec

from engine.settings.config_problems import Problems
from engine.settings.config_trading import RiskSection
from engine.settings.config_venues import OrderEntrySection, ReconciliationSection

FIX_KEYS = (
    "host",
    "port",
    "tls",
    "target_comp_id",
    "heartbeat_seconds",
    "cancel_on_disconnect",
    "logon_timeout_ms",
    "sending_time_limit_ms",
    "resend_age_limit_ms",
)
REST_KEYS = ("rest_url", "connections", "poll_ms", "answer_timeout_ms")
NEEDED_KEYS = {"fix": ("port", "a port"), "rest": ("rest_url", 'an address, or "simulator"')}
REST_ORDERS_PER_SECOND_MAX = 8
"""Coinbase Exchange takes 15 private requests a second of a profile ("REST API Rate Limits"). A
cancelled order costs three: it, its cancel, and the question what became of it."""


def check_order_keys(section: OrderEntrySection, problems: Problems) -> None:
    """A key of the other protocol that is set to something would have no effect: it is refused."""
    other = "rest" if section.protocol == "fix" else "fix"
    defaults = {field.name: field.default for field in msgspec.structs.fields(section)}
    for name in REST_KEYS if section.protocol == "fix" else FIX_KEYS:
        if getattr(section, name) != defaults[name]:
            problems.add(
                ("order_entry", name),
                f'is of protocol = "{other}"; leave it out with protocol = "{section.protocol}"',
            )
    needed, allowed = NEEDED_KEYS[section.protocol]
    if not getattr(section, needed):
        problems.add(
            ("order_entry", needed),
            f'is missing; protocol = "{section.protocol}" needs {allowed}',
        )


def check_order_rate(risk: RiskSection | None, problems: Problems) -> None:
    """The venue's rate has to suffice for orders and for the questions about them."""
    if risk is not None and risk.max_orders_per_second > REST_ORDERS_PER_SECOND_MAX:
        problems.add_value(
            ("risk", "max_orders_per_second"),
            risk.max_orders_per_second,
            f"at most {REST_ORDERS_PER_SECOND_MAX}, because orders go by rest: the venue counts"
            " the questions for their fills too",
        )


def check_one_address(
    order_entry: OrderEntrySection, reconciliation: ReconciliationSection, problems: Problems
) -> None:
    """Both ask the same venue, and share its rates."""
    for name in ("rest_url", "ca_file"):
        theirs = getattr(order_entry, name)
        if getattr(reconciliation, name) != theirs:
            problems.add_value(
                ("reconciliation", name),
                getattr(reconciliation, name),
                f"that of [order_entry], which is {theirs!r}",
            )
