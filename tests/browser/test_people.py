"""People and tokens in a real browser: a link signs in, then a password; a token works until it is revoked; resets."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.acceptance.studio import Studio
from tests.browser.house import expect_toast

Open = Callable[..., Page]


def test_admin_lets_somebody_in_and_a_token_works_until_it_is_revoked(open_page: Open, studio: Studio) -> None:
    page = open_page("/dashboard/people", "root", "admin")
    link = page.locator('form[data-api="/people/links"]')
    link.get_by_label("Name").fill("nora")
    link.get_by_label("Group").select_option("planner")
    link.get_by_role("button").click()
    expect(link.locator("output")).to_contain_text(f"{studio.url}/login?token=")
    expect(page.locator("#people")).to_contain_text("nora")

    token = page.locator('form[data-api="/people/tokens"]')
    token.get_by_label("Name").fill("nora")
    token.get_by_label("Label").fill("render farm")
    token.get_by_role("button").click()
    expect(token.locator("output")).to_contain_text("gr_")
    headers = {"Authorization": f"Bearer {token.locator('output').inner_text()}"}
    assert studio.http("GET", "/queue", headers=headers)[0] == 200
    row = page.locator("#people form.token", has_text="render farm")
    expect(row).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button").click()
    expect_toast(page, "Revoked")
    assert studio.http("GET", "/queue", headers=headers)[0] == 401

    new = open_page(link.locator("output").inner_text().removeprefix(studio.url))
    new.get_by_role("button", name="Sign in").click()
    expect(new.locator(".person")).to_have_text("nora")
    expect(new.locator("main").locator("xpath=..")).to_contain_text("With a password you need none next time")
    new.get_by_role("link", name="Set a password").click()
    new.get_by_label("New password").fill("four words are good")
    new.get_by_role("button", name="Set a password").click()
    expect(new.get_by_label("Old password")).to_be_visible()

    back = open_page("/login", allowed=("403",))
    back.get_by_label("Name").fill("nora")
    back.get_by_label("Password").fill("four words are bad")
    back.get_by_role("button", name="Sign in").click()
    expect(back.get_by_role("alert")).to_contain_text("Name or password is wrong")
    back.get_by_label("Password").fill("four words are good")
    back.keyboard.press("Enter")
    expect(back.locator(".person")).to_have_text("nora")
    expect(back.locator('.mode[data-mode="live"]')).to_be_visible()

    reset = page.locator('form[data-api="/people/passwords/reset"]')
    reset.get_by_label("Name").fill("nora")
    reset.get_by_role("button").click()
    expect(reset.locator("output")).to_contain_text("/login?token=")
    expect(back.locator(".person")).to_have_text("local")
