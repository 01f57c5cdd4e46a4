"""People and tokens in a real browser: a link signs in, a token works until it is revoked, and both are shown once."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.acceptance.studio import Studio

Open = Callable[..., Page]


def test_admin_lets_somebody_in_and_a_token_works_until_it_is_revoked(open_page: Open, studio: Studio) -> None:
    page = open_page("/dashboard/people", "root", "admin")
    link = page.locator('form[data-api="/people/links"]')
    link.get_by_label("Name").fill("nora")
    link.get_by_label("Group").select_option("planner")
    link.get_by_role("button").click()
    expect(link.locator("output")).to_contain_text(f"{studio.url}/login?token=", timeout=15_000)
    expect(page.locator("#people")).to_contain_text("nora", timeout=15_000)

    token = page.locator('form[data-api="/people/tokens"]')
    token.get_by_label("Name").fill("nora")
    token.get_by_label("Label").fill("render farm")
    token.get_by_role("button").click()
    expect(token.locator("output")).to_contain_text("gr_", timeout=15_000)
    headers = {"Authorization": f"Bearer {token.locator('output').inner_text()}"}
    assert studio.http("GET", "/queue", headers=headers)[0] == 200
    row = page.locator("#people form.token", has_text="render farm")
    expect(row).to_be_visible(timeout=15_000)
    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button").click()
    expect(page.locator("#toast")).to_contain_text("Revoked", timeout=15_000)
    assert studio.http("GET", "/queue", headers=headers)[0] == 401

    new = open_page(link.locator("output").inner_text().removeprefix(studio.url))
    new.get_by_role("button", name="Sign in").click()
    expect(new.locator(".person")).to_have_text("nora")
