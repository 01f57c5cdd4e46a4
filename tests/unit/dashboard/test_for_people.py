"""A person who opens an address of the API sees its page; a program gets JSON."""

from __future__ import annotations

import pytest

from tests.unit.dashboard.web_rig import Web

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/roles", "/dashboard/roles/"),
        ("/roles/teacher", "/dashboard/roles/teacher"),
        ("/jobs", "/dashboard/jobs"),
        ("/jobs/j1", "/dashboard/jobs/j1"),
        ("/queue", "/dashboard"),
        ("/audit", "/dashboard/audit/"),
    ],
)
def test_browser_is_led_to_the_page(house: Web, address: str, page: str) -> None:
    answer = house.local().get(address, headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"]) == (303, page)


@pytest.mark.parametrize("accept", ["application/json", "*/*", ""])
def test_program_gets_json(house: Web, accept: str) -> None:
    answer = house.local().get("/roles", headers={"Accept": accept} if accept else {})
    assert answer.is_json


def test_other_addresses_are_left_alone(house: Web) -> None:
    assert house.local().get("/healthz", headers=BROWSER).status_code == 200
    assert house.local().get("/openapi.json", headers=BROWSER).is_json
