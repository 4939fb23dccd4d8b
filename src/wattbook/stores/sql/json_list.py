"""Columns that hold several values, as JSON."""

from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import JSON, Dialect
from sqlalchemy.types import TypeDecorator


class Listed(TypeDecorator[tuple[Any, ...]]):
    """Values of one kind, in their order."""

    impl = JSON
    cache_ok = True

    def __init__(self, kind: Any) -> None:  # noqa: ANN401 -- whatever pydantic reads
        super().__init__()
        self.kind = kind
        self._list: TypeAdapter[tuple[Any, ...]] = TypeAdapter(tuple[kind, ...])

    def process_bind_param(self, value: tuple[Any, ...] | None, _dialect: Dialect) -> Any:  # noqa: ANN401 -- JSON
        """What is stored."""
        return None if value is None else self._list.dump_python(value, mode="json")

    def process_result_value(
        self,
        value: Any,  # noqa: ANN401 -- JSON
        _dialect: Dialect,
    ) -> tuple[Any, ...] | None:
        """What is read."""
        return None if value is None else self._list.validate_python(value)
