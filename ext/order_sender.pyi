from typing import Self, final

from typing_extensions import disjoint_base

@disjoint_base
class OrderSender:
    @property
    def has_failed(self) -> bool: ...

@final
class CapturingSender(OrderSender):
    def __new__(cls, capacity: int = ...) -> Self: ...
    @property
    def size(self) -> int: ...
    @property
    def count(self) -> int: ...
    def take(self) -> bytes: ...
