def usual_levels(
    text: bytes,
    price_decimals: int,
    quantity_decimals: int,
    first: bytes = b"",
    behind: bytes = b"",
) -> tuple[list[tuple[int, int]], int]: ...
