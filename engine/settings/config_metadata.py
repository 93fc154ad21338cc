"""What the sections of the config say of their keys, beside the type: range, meaning, form."""

from msgspec import Meta

from engine.secrets import REFERENCE_FORMS

SIMULATOR = "simulator"  # of urls and [order_entry] port: known when wow-sim is up

DECIMAL = {"allowed": 'a decimal above 0, as in "0.01"'}
REFERENCE = {"allowed": REFERENCE_FORMS}
PATH = {"allowed": "a path as text"}


def whole(minimum: int, maximum: int, description: str) -> Meta:
    """A whole number from ``minimum`` to ``maximum``."""
    return Meta(ge=int(minimum), le=int(maximum), description=description)


def about(description: str, allowed: dict[str, str] | None = None) -> Meta:
    """A key whose type says all but its meaning; ``allowed`` is the form for the docs."""
    return Meta(description=description, extra=allowed)
