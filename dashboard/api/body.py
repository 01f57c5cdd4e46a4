"""Reading a request's JSON body and query strictly: what is unknown, missing or of the wrong type is named."""

from __future__ import annotations

import json
from typing import Any, NoReturn, TypeVar, get_args

from flask import request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from dashboard.errors import WebError

MAX_KEY_CHARS = 200
_KINDS = frozenset({"str", "int", "float", "bool"})  # the library names the tried type of a union in the place


class Body(BaseModel):
    """Base of all request bodies: no unknown fields, no conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """Base of all query strings: no unknown names; digits become numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)


B = TypeVar("B", bound=BaseModel)


def read_body(model: type[B]) -> B:
    """The body as this model; an empty body is `{}`. Raises WebError 400 (no JSON) or 422 naming the field."""
    raw = request.get_data(cache=False)
    return _validated(model, {} if not raw else _parsed(raw))


def read_query(model: type[B]) -> B:
    """The query string as this model; an empty value is none (a form's empty field), a name given twice is an error.

    Raises WebError 422 naming it.
    """
    for name, values in request.args.lists():
        if len(values) > 1:
            raise WebError(422, "bad_query", f"{name} is given {len(values)} times.", field=name, problem="several")
    return _validated(model, {name: value for name, value in request.args.items() if name != "lang" and value != ""})


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        data = json.loads(raw.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_constant)
        if b"\\u" in raw:  # half a surrogate pair is no text: nothing could store it or say it back
            json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise WebError(400, "bad_json", f"The body is not JSON: {str(error) or 'nested too deeply'}.", **_why(error)) from error
    if not isinstance(data, dict):
        hint = 'For example {"role": "teacher"}.'
        raise WebError(422, "bad_request", "The body must be a JSON object.", hint=hint, problem="no_object")
    return data


class _NotTaken(ValueError):
    """JSON that a lenient reader would take. `why`: problem and figures, for pages in another language."""

    def __init__(self, message: str, **why: str) -> None:
        super().__init__(message)
        self.why = why


def _why(error: Exception) -> dict[str, Any]:
    if isinstance(error, json.JSONDecodeError):
        return {"problem": "syntax", "line": error.lineno, "column": error.colno}
    return error.why if isinstance(error, _NotTaken) else {"problem": "no_text"}


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise _NotTaken(f"the key {key!r} appears twice", problem="key_twice", key=key[:80])
        result[key] = value
    return result


def _no_constant(name: str) -> NoReturn:
    raise _NotTaken(f"{name} is not a number", problem="no_number", found=name)


def _validated(model: type[B], data: dict[str, Any]) -> B:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        raise _field_error(model, found[0]) from error  # a misspelt name explains the missing one


def _field_error(model: type[BaseModel], first: ErrorDetails) -> WebError:
    field = ".".join(str(part) for part in first["loc"] if part not in _KINDS)
    inner = _model_at(model, first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(inner.model_fields)
        return WebError(422, "unknown_field", f"Unknown field {field!r:.80}.", field=field, hint=f"Known: {known or 'none'}.")
    if first["type"] == "missing":
        return WebError(422, "missing_field", f"{field} is missing.", field=field)
    known_field = inner.model_fields.get(str(first["loc"][-1])) if first["loc"] else None
    hint = (known_field.description if known_field is not None else None) or ""
    bounds = {name: value for name, value in first.get("ctx", {}).items() if isinstance(value, str | int | float)}
    why = {"problem": first["type"], **bounds}
    if first["type"] == "string_too_short" and bounds["min_length"] == 1:
        return WebError(422, "bad_field", f"{field} is empty.", field=field, hint=_as_sentence(field, hint), **why)
    return WebError(422, "bad_field", f"{field}: {first['msg']}.", field=field, hint=_as_sentence(field, hint), **why)


def _model_at(model: type[BaseModel], place: tuple[int | str, ...]) -> type[BaseModel]:
    """The model whose field stands at this place of a body: of `items.0.role` that of an item."""
    for part in place[:-1]:
        known = model.model_fields.get(str(part))
        kinds = () if known is None else (known.annotation, *get_args(known.annotation))
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    return model


def _as_sentence(field: str, description: str) -> str:
    return f"{field}: {description}." if description else ""


def idempotency_key() -> str | None:
    """The Idempotency-Key header, 1 to 200 visible characters. Raises WebError 422."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 0 < len(key) <= MAX_KEY_CHARS or not key.isprintable():
        raise WebError(
            422, "bad_field", f"Idempotency-Key has 1 to {MAX_KEY_CHARS} visible characters.", field="Idempotency-Key"
        )
    return key
