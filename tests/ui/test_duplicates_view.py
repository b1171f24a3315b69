"""Duplicates view: a whole clean-up by keyboard and by a rule, and its undo."""

import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from index_builder.build import Plan, build
from index_builder.progress import Progress
from tests.conftest import encoded
from tests.index_builder.dedupe.test_command import photograph
from tests.service.conftest import serving

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SEARCH = 120_000


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """Four pictures, of which three have copies: 0 has two, 1 a smaller one, 2 a part."""
    root = tmp_path_factory.mktemp("archive")
    for number in range(4):
        (root / f"{number}.jpg").write_bytes(encoded(photograph(number), quality=95))
    (root / "0-again.jpg").write_bytes((root / "0.jpg").read_bytes())
    photograph(0).resize((400, 300)).save(root / "0-small.jpg", quality=85)
    photograph(1).resize((320, 240)).save(root / "1-small.jpg", quality=85)
    photograph(2).crop((60, 40, 560, 420)).save(root / "2-detail.jpg", quality=90)
    return root


@pytest.fixture(scope="session")
def indexed(archive, tmp_path_factory):
    index = tmp_path_factory.mktemp("archive-index") / "index"
    build(Plan(archive, index, bundle="default", threads=1, publish=False), Progress())
    return index


@pytest.fixture
def served(indexed, tmp_path):
    shutil.copytree(indexed, tmp_path / "index")
    with serving(tmp_path / "index") as server:
        yield server


@pytest.fixture
def searched(served):
    served.http.post("/duplicates").raise_for_status()
    return served


def rows(page):
    return page.locator(".group")


def row(page, kept):
    return page.locator(".group", has=page.locator(f".one.kept[aria-label^='{kept},']"))


def keys(server):
    return {item["key"] for item in server.http.get("/images").json()["items"]}


def test_a_clean_up_by_keyboard_and_by_a_rule_and_its_undo(served, open_page, archive):
    everything = keys(served)
    page = open_page(served, "duplicates")
    page.get_by_role("button", name="Find the copies").click()
    expect(page.get_by_label("progress of the search")).to_be_visible()
    expect(rows(page)).to_have_count(3, timeout=SEARCH)
    expect(page.get_by_text("8 pictures searched")).to_be_visible()
    for kept in ("0.jpg", "1.jpg", "2.jpg"):
        expect(row(page, kept).locator(".one.kept .tag")).to_contain_text("kept: ")
    expect(row(page, "1.jpg").locator(".one").nth(1)).to_contain_text("320 x 240")
    expect(row(page, "1.jpg").locator(".one").nth(1)).to_contain_text("file of 20")

    row(page, "2.jpg").locator(".one").nth(1).click()
    page.keyboard.press("n")  # the detail is a picture of its own
    expect(rows(page)).to_have_count(2)
    row(page, "1.jpg").locator(".one").nth(1).click()
    page.keyboard.press("s")  # the small one is to stay
    expect(row(page, "1-small.jpg").locator(".one.kept .tag")).to_have_text("kept: chosen by hand")
    row(page, "0.jpg").locator(".one").first.click()
    page.keyboard.press("s")  # of two copies, none is chosen: nothing is decided
    expect(page.locator("#notice")).to_contain_text("Choose one of the copies")
    page.keyboard.press("k")
    expect(rows(page)).to_have_count(1)
    assert keys(served) == everything - {"0-again.jpg", "0-small.jpg"}

    page.get_by_role("button", name=re.compile("Remove the copies of all")).click()
    page.get_by_role("dialog").get_by_role("button", name="Remove the copies").click()
    expect(page.get_by_text("There are no copies to decide about.")).to_be_visible()
    assert keys(served) == everything - {"0-again.jpg", "0-small.jpg", "1.jpg"}

    for _ in range(4):
        page.keyboard.press("u")
        expect(page.locator("#notice")).to_contain_text("Undone")
        page.locator("#notice").evaluate("place => (place.textContent = '')")
    expect(rows(page)).to_have_count(3)
    expect(row(page, "1.jpg")).to_have_count(1)
    assert keys(served) == everything


def test_the_arrow_keys_go_through_groups_and_pictures(searched, open_page):
    page = open_page(searched, "duplicates")
    expect(rows(page)).to_have_count(3, timeout=SEARCH)
    chosen = page.locator(".one[aria-pressed=true]")
    expect(page.locator(".group[aria-current]")).to_have_attribute("aria-label", re.compile("Group 1 of 3"))
    page.keyboard.press("ArrowDown")
    expect(page.locator(".group[aria-current]")).to_have_attribute("aria-label", re.compile("Group 2 of 3"))
    expect(chosen).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(chosen).to_have_class(re.compile("kept"))
    page.keyboard.press("ArrowUp")
    page.keyboard.press("a")
    expect(rows(page)).to_have_count(2)
    page.reload()
    expect(rows(page)).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(rows(page)).to_have_count(3)


def test_filters_change_the_list(searched, open_page):
    page = open_page(searched, "duplicates")
    expect(rows(page)).to_have_count(3, timeout=SEARCH)
    page.locator("select[name=verdict]").select_option("exact")
    expect(rows(page)).to_have_count(1)
    page.locator("select[name=verdict]").select_option("")
    page.locator("input[name=prefix]").fill("1")
    expect(rows(page)).to_have_count(1)
    expect(row(page, "1.jpg")).to_have_count(1)
    page.locator("input[name=prefix]").press("k")  # a letter, no shortcut
    expect(rows(page)).to_have_count(0)
    assert len(keys(searched)) == 8


def test_the_rows_are_accessible_and_fit(searched, open_page):
    for screen in ({}, PHONE, {"color_scheme": "dark"}):
        page = open_page(searched, "duplicates", bypass_csp=True, **screen)
        expect(rows(page).first).to_be_visible(timeout=SEARCH)
        expect(page.locator("[aria-busy]")).to_have_count(0)
        found = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == [], screen
        if screen is PHONE:
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
