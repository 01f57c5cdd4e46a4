"""A person who opens an address of the API in a browser is shown the page about the same thing; programs get JSON."""

from __future__ import annotations

import re
from urllib.parse import quote

from flask import Flask, redirect, request
from werkzeug.wrappers import Response

# Address of the API → its page. Only what a person would type or paste.
_PAGES = (
    (re.compile(r"/jobs/([^/]+)"), "/dashboard/jobs/{}"),
    (re.compile(r"/roles/([^/]+)"), "/dashboard/roles/{}"),
    (re.compile(r"/roles"), "/dashboard/roles/"),
    (re.compile(r"/queue"), "/dashboard"),
    (re.compile(r"/jobs"), "/dashboard/jobs"),
    (re.compile(r"/audit"), "/dashboard/audit/"),
    (re.compile(r"/faults"), "/dashboard/faults/"),
    (re.compile(r"/watermark"), "/dashboard/watermark/"),
    (re.compile(r"/plan"), "/dashboard/plan/"),
    (re.compile(r"/rehearsals"), "/dashboard/rehearsals/"),
    (re.compile(r"/people"), "/dashboard/people"),
)


def register_for_people(app: Flask) -> None:
    """Look at every GET before its view does."""
    app.before_request(to_page)


def to_page() -> Response | None:
    """A redirect when the caller would rather read HTML than JSON; scripts of our own pages ask for anything or JSON."""
    if request.method != "GET" or request.accept_mimetypes.best_match(["application/json", "text/html"]) != "text/html":
        return None
    for address, page in _PAGES:
        if (match := address.fullmatch(request.path)) is not None:
            return redirect(page.format(*(quote(part, safe="") for part in match.groups())), 303)
    return None
