ABSENT: tuple[str, ...]
