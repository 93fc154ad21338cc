"""Order, execution and session ids that follow from the seed."""

import random


class IdSource:
    """Random UUIDs (version 4, variant 1) of one seeded generator."""

    def __init__(self, seed: str) -> None:
        self._rng = random.Random(seed)

    def uuid(self) -> str:
        """The next id: lower-case, with hyphens."""
        digits = f"{self._rng.getrandbits(128):032x}"
        variant = "89ab"[int(digits[16], 16) & 3]
        return (
            f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
        )
