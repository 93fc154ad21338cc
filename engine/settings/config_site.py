"""Section of the config that says where the operator trades from."""

from typing import Annotated

from msgspec import Meta, Struct

from engine.settings.config_metadata import PATH, about


class SiteSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the operator is: decides by the jurisdiction table what may be traded live
    (docs/compliance.md). Not legal advice."""

    country: Annotated[
        str,
        Meta(
            pattern=r"^([A-Z]{2})?\Z",
            description="ISO 3166-1; empty: not known, and live mode refuses to start.",
            extra={"allowed": 'two capital letters as in "US", or empty'},
        ),
    ] = ""
    region: Annotated[
        str,
        Meta(
            pattern=r"^([A-Z0-9]{1,3})?\Z",
            description="ISO 3166-2 without the country; empty: the rules of the whole country.",
            extra={"allowed": 'one to three capital letters or digits as in "NY", or empty'},
        ),
    ] = ""
    table: Annotated[
        str, about("A table of your own in place of the shipped one; empty: that.", PATH)
    ] = ""
    override_reason: Annotated[
        str,
        Meta(
            pattern=r"^(\S.{8,398}\S)?\Z",
            description="Trade live what the table does not permit; journaled and shown.",
            extra={"allowed": "who released it and why, in 10 to 400 characters, or empty"},
        ),
    ] = ""
