"""Python edge of the histogram's bucket rule, for readers and tests."""


def bucket_index(value_ns: int) -> int:
    """Bucket that counts ``value_ns`` nanoseconds, as the hot thread does it."""
    return bucket_of(value_ns)
