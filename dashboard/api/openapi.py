"""The API's description: /openapi.json for machines, /openapi as a plain page without anybody else's files."""

from __future__ import annotations

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


def documented(
    tag: str, *, body: type[BaseModel] | None = None, query: type[BaseModel] | None = None,
    gives: type[BaseModel] | None = AnyObject, status: int = 200,
) -> Callable[[F], F]:  # fmt: skip
    """Describe a route. Checking is ours (`dashboard.api.body`): the library would take broken JSON for an empty body."""
    answers = Answers(**{f"HTTP_{status}": gives, "HTTP_400": Error, "HTTP_403": Error, "HTTP_422": Error, "HTTP_503": Error})
    return spec.validate(json=body, query=query, resp=answers, tags=[tag], skip_validation=True)  # type: ignore[no-any-return]


@blueprint.get("/openapi.json")
@require("see")
def openapi_json() -> Response:
    """The description of this API."""
    return jsonify(spec.spec)


@blueprint.get("/openapi")
@require("see")
def openapi_page() -> str:
    """The description of this API for people."""
    return render_template("openapi.html", paths=_listed(spec.spec), nav="openapi")


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
