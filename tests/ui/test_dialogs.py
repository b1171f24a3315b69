"""Every dialog and menu of the page is accessible, fits the screen, and closes by Esc."""

import shutil

import pytest
from playwright.sync_api import expect

from service.auth.keys import Keys
from tests.service.conftest import serving
from tests.ui.test_whole_page import PHONE, SCREENS, serious


@pytest.fixture
def server(tmp_path, built):
    """A server on a copy of the index, with a webhook to which one event was sent."""
    shutil.copytree(built, tmp_path / "index")
    with serving(tmp_path / "index", webhook_networks="127.0.0.0/8") as started:
        started.http.post("/webhooks", json={"url": "http://127.0.0.1:9/"}).raise_for_status()
        started.http.post("/webhooks/1/test").raise_for_status()
        yield started


@pytest.mark.parametrize("screen", SCREENS)
def test_every_dialog_is_accessible_and_fits(server, open_page, screen):
    page = open_page(server, "collection", bypass_csp=True, **SCREENS[screen])

    def shown(name, role="dialog"):
        box = page.get_by_role(role, name=name)
        expect(box).to_be_visible()
        expect(page.locator("#notice")).to_be_empty()
        assert (name, serious(page)) == (name, [])
        area, size = box.bounding_box(), page.viewport_size
        assert 0 <= area["x"] <= area["x"] + area["width"] <= size["width"], (name, area)
        assert 0 <= area["y"] <= area["y"] + area["height"] <= size["height"], (name, area)
        page.keyboard.press("Escape")
        expect(box).to_have_count(0)

    def press(name):
        page.get_by_role("button", name=name, exact=True).click()

    def choose(menu, entry):
        press(menu)
        page.get_by_role("menuitem", name=entry, exact=True).click()

    first = page.locator(".card img").first
    expect(first).to_be_visible()
    key = first.get_attribute("alt")
    page.keyboard.press("?")
    shown("Keyboard")
    page.keyboard.press("Control+k")
    shown("Commands")
    press(f"Actions for {key}")
    shown(f"Actions for {key}", "menu")
    choose(f"Actions for {key}", "Edit metadata")
    shown(f"Metadata of {key}")
    page.locator(".pick").first.check()
    press("Set a field…")
    shown("Set a field of 1 picture")

    page.goto(f"{server.url}/#/clusters")
    expect(page.locator(".heap").nth(1)).to_be_visible()
    for number in (0, 1):
        page.locator(".pick").nth(number).check()
    press("Merge…")
    shown("Merge 2 clusters")

    page.goto(f"{server.url}/#/clusters?id=0")
    expect(page.locator(".card img").first).to_be_visible()
    page.locator(".pick").first.check()
    press("Move…")
    shown("Move 1 picture")

    page.goto(f"{server.url}/#/admin")
    choose("Actions for http://127.0.0.1:9/", "Show deliveries")
    shown("Deliveries to http://127.0.0.1:9/")
    choose("Actions for http://127.0.0.1:9/", "Delete")
    shown("Delete the webhook http://127.0.0.1:9/? Its secret and its pending events are lost.")
    page.locator("input[name=url]").fill("http://127.0.0.1:9/again")
    press("Create a webhook")
    shown("Secret of the webhook")


@pytest.mark.parametrize("screen", SCREENS)
def test_the_dialog_for_a_key_is_accessible(tmp_path, built, open_page, screen):
    shutil.copytree(built, tmp_path / "index")
    Keys(tmp_path / "index").add("desk", "read")
    with serving(tmp_path / "index", auth="keys") as server:
        page = open_page(server, "collection", bypass_csp=True, **SCREENS[screen])
        box = page.get_by_role("dialog", name="API key")
        expect(box).to_be_visible()
        assert serious(page) == []
        page.locator("#key-value").fill("cs_00000000_wrong")
        page.get_by_role("button", name="Use this key").click()
        expect(page.get_by_role("alert")).to_contain_text("not known")
        assert serious(page) == []
        if SCREENS[screen] is PHONE:
            assert box.bounding_box()["width"] <= 390
