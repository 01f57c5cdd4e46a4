"""The API's description: /openapi.json for machines, /openapi as a plain page without anybody else's files."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, Response, jsonify, render_template
from pydantic import BaseModel
from spectree import Response as Answers
from spectree import SpecTree

from dashboard.api.models import AnyObject, Error
from dashboard.auth import require

blueprint = Blueprint("openapi", __name__)
spec = SpecTree("flask", title="Greenroom control API", version="1", mode="strict", annotations=False, page_templates={})
F = TypeVar("F", bound=Callable[..., Any])
_undescribed: deque[tuple[Any, Callable[..., Any]]] = deque()  # views, and what describes each
_one_at_a_time = threading.Lock()


def documented(
    tag: str, *, body: type[BaseModel] | None = None, query: type[BaseModel] | None = None,
    gives: type[BaseModel] | None = AnyObject, status: int = 200,
) -> Callable[[F], F]:  # fmt: skip
    """Describe a route, and only that: the library's own wrapper would take broken JSON for an empty body and would read
    streams to their end. Checking is ours (`dashboard.api.body`)."""
    errors = dict.fromkeys(("HTTP_400", "HTTP_403", "HTTP_422", "HTTP_503"), Error)
    describe = spec.validate(
        json=body, query=query, resp=Answers(**{f"HTTP_{status}": gives}, **errors), tags=[tag], skip_validation=True
    )

    def decorate(view: F) -> F:
        @functools.wraps(view)
        def plain(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs)

        _undescribed.append((plain, describe))
        return plain  # type: ignore[return-value]

    return decorate


def description() -> dict[str, Any]:
    """The description of this API, made when it is first asked for: the schemas of all models would take a fifth of the
    web's start, and few ever ask."""
    with _one_at_a_time:
        while _undescribed:
            plain, describe = _undescribed.popleft()
            plain.__wrapped__ = describe(plain.__wrapped__)  # where the library looks for what it noted
        found: dict[str, Any] = spec.spec
    return found


@blueprint.get("/openapi.json")
@require("see")
def openapi_json() -> Response:
    """The description of this API."""
    return jsonify(description())


@blueprint.get("/openapi")
@require("see")
def openapi_page() -> str:
    """The description of this API for people."""
    return render_template("openapi.html", paths=_listed(description()), nav="openapi")


def _listed(description: dict[str, Any]) -> list[dict[str, Any]]:
    schemas = description.get("components", {}).get("schemas", {})
    listed = []
    for path, methods in sorted(description["paths"].items()):
        for method, route in methods.items():
            content = (route.get("requestBody") or {}).get("content", {}).get("application/json", {})
            reference = content.get("schema", {}).get("$ref", "")
            query = [item for item in route.get("parameters", []) if item.get("in") == "query"]
            listed.append({
                "path": path, "method": method.upper(), "summary": route.get("summary", ""),
                "text": route.get("description", ""), "tag": (route.get("tags") or [""])[0],
                "body": schemas.get(reference.rsplit("/", 1)[-1]) if reference else None, "query": query,
            })  # fmt: skip
    return listed
