"""Arguments of a command, checked as they are taken."""

from __future__ import annotations

from typing import Any, TypeVar

from scheduler.errors import SchedulerError

T = TypeVar("T")


class Arguments:
    """`take` one by one, then `done`: a missing, wrongly typed or unknown argument is an error naming it."""

    def __init__(self, command: str, values: dict[str, Any]) -> None:
        self._command = command
        self._values = dict(values)

    def take(self, name: str, kind: type[T]) -> T:
        """A needed argument."""
        if name not in self._values:
            raise SchedulerError(422, "bad_request", f"{self._command} needs {name}.", field=name, problem="missing")
        value = self._values.pop(name)
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            message = f"{name} must be {_NAMES.get(kind, kind.__name__)}, not {value!r:.60}."
            raise SchedulerError(422, "bad_request", message, field=name, problem=f"not_{kind.__name__}")
        return value

    def maybe(self, name: str, kind: type[T]) -> T | None:
        """An argument that may be left out."""
        return self.take(name, kind) if name in self._values else None

    def done(self) -> None:
        """Nothing else may be there."""
        for name in self._values:
            message = f"{self._command} knows no {name!r}."
            raise SchedulerError(422, "bad_request", message, field=name, problem="unknown_field")


_NAMES: dict[type, str] = {str: "text", int: "a whole number", bool: "true or false", dict: "an object"}
