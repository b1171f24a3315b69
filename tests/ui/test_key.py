"""A server with API keys: the page asks for a key, and hides what its scope does not allow."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from service.auth.keys import Keys
from tests.service.conftest import serving
from tests.ui.test_verified_view import CROP, SIZE, compared, search_for


@pytest.fixture
def locked(tmp_path, built):
    shutil.copytree(built, tmp_path / "index")
    with serving(tmp_path / "index", auth="keys") as server:
        yield server


def enter(page, key):
    page.locator("#key-value").fill(key)
    page.get_by_role("button", name="Use this key").click()


def test_with_a_read_key_the_page_hides_all_changes(locked, open_page, folder):
    page = open_page(locked, "collection")
    expect(page.get_by_role("dialog")).to_contain_text("key")
    enter(page, "cs_00000000_wrong")
    expect(page.get_by_role("alert")).to_contain_text("not known")
    red, green, blue = map(
        int, re.findall(r"\d+", page.get_by_role("alert").evaluate("one => getComputedStyle(one).color"))
    )
    assert red > 2 * max(green, blue)
    expect(page.locator("#key-value")).to_have_value("cs_00000000_wrong")
    expect(page.locator("#key-value")).to_have_attribute("aria-invalid", "true")
    enter(page, Keys(locked.index).add("reader", "read"))
    expect(page.locator("#key")).to_have_text("Key: read")
    expect(page.locator(".card").first).to_be_visible()
    # Fetched with the key, and shown.
    expect(page.locator(".card img").first).not_to_have_js_property("naturalWidth", 0)
    for name in ("Delete", "Add pictures", "Set a field…"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    page.get_by_role("button", name="Actions for picture-00.jpg").click()
    expect(page.get_by_role("menuitem")).to_have_text(["Search for it", "Show its attention"])
    page.keyboard.press("Escape")
    page.goto(f"{locked.url}/#/clusters?id=0")
    expect(page.locator(".card img").first).to_be_visible()
    expect(page.locator("input[name=name]")).to_have_count(0)
    page.goto(f"{locked.url}/#/search")
    page.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    expect(page.locator(".answer .card").first).to_contain_text("picture-03.jpg")
    page.locator(".answer .card").first.click()
    expect(page.get_by_role("dialog")).to_contain_text("Match 1 of")
    expect(page.get_by_role("button", name="Confirm")).to_have_count(0)


def test_a_write_key_and_an_admin_key_show_their_buttons(locked, open_page):
    page = open_page(locked, "collection")
    enter(page, Keys(locked.index).add("writer", "write"))
    page.get_by_role("button", name="Actions for picture-00.jpg").click()
    expect(page.get_by_role("menuitem", name="Delete")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)
    page.get_by_role("button", name="Key: write").click()
    enter(page, Keys(locked.index).add("chief", "admin"))
    page.get_by_role("link", name="Admin").click()
    expect(page.get_by_role("button", name="Rebuild")).to_be_visible()


def test_a_key_that_is_revoked_meanwhile_is_asked_for_again_and_kept(locked, open_page):
    page = open_page(locked)
    made = Keys(locked.index).add("reader", "read")
    enter(page, made)
    expect(page.locator("#key")).to_have_text("Key: read")
    Keys(locked.index).revoke(Keys(locked.index).all()[0].id)
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    expect(page.locator("#key-value")).to_have_value(made)


def test_a_thumbnail_that_is_fetched_with_the_key_is_outlined(locked, open_page, drawn, jpeg):
    """Its address is known later than that of others."""
    page = open_page(locked)
    enter(page, Keys(locked.index).add("reader", "read"))
    expect(page.locator("#key")).to_have_text("Key: read")
    search_for(page, jpeg, drawn(7, SIZE).crop(CROP).resize((336, 252)))
    box = compared(page)
    expect(box.locator(".match svg.outline")).to_be_visible()
    page.keyboard.press("b")
    expect(box.locator(".laid .warp img")).to_have_attribute("src", re.compile("^blob:"))
    expect(box.locator(".laid .frame.fitted")).to_have_count(1)
