"""The HTML report in a browser: 10,000 groups, filters, pages; it needs no server and loads nothing."""

import pytest
from PIL import Image
from playwright.sync_api import expect

from copysight.duplicates import keep
from copysight.duplicates.answer import Answer
from copysight.duplicates.groups import Group, Member
from copysight.duplicates.picture import Picture
from copysight.duplicates.report import Report

COUNT = 10_000
FOLDER = "a folder with a long name, as archives have them, </script><b>and odd letters: \u00fc \u2028</b>"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report of many groups of two: exact and edited copies in turns, the last one with 500 copies."""
    path = tmp_path_factory.mktemp("report") / "duplicates.html"
    groups = [Group(2 * n, (Member(2 * n + 1, 0.9 + n % 10 / 100, ("exact", "edited")[n % 2]),)) for n in range(COUNT)]
    groups[-1] = Group(2 * COUNT, tuple(Member(2 * COUNT + 1 + n, 0.95, "resized") for n in range(500)))
    names = range(2 * COUNT + 501)
    pictures = {n: Picture(f"{FOLDER}/{n:05}.jpg", f"{n:064x}", 640, 480, 90_000) for n in names}
    thumbnail = Image.effect_mandelbrot((96, 72), (-2, -1, 1, 1), 60).convert("RGB")
    answer = Answer(tuple(groups), pictures, keep.parse(keep.DEFAULT), ())
    Report(answer, lambda number: thumbnail).write(path)
    return path


@pytest.fixture
def page(browser, report):
    faults = []
    page = browser.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda one: one.url.startswith(("file:", "data:")) or faults.append(one.url))
    page.goto(report.as_uri())
    yield page
    page.close()
    assert not faults


def test_ten_thousand_groups_are_shown_page_by_page(page, report):
    assert report.stat().st_size > 20_000_000
    expect(page.get_by_role("heading", name=f"{COUNT:,} groups with")).to_be_visible()
    expect(page.locator("section")).to_have_count(25)
    expect(page.locator("section").first).to_contain_text("Group 1: 1 copy")
    expect(page.locator("section").first).to_contain_text("</script><b>and odd letters")
    assert page.locator("img").first.evaluate("one => one.decode().then(() => one.naturalWidth)") > 0
    page.keyboard.press("ArrowRight")
    expect(page.locator("section").first).to_contain_text("Group 26: 1 copy")
    expect(page.get_by_role("status")).to_have_text("page 2 of 400, 10000 groups")


def test_filters(page):
    page.locator("#kind").select_option("resized")
    expect(page.locator("section")).to_have_count(1)
    expect(page.locator("section")).to_contain_text("Group 10000: 500 copies")
    expect(page.locator("section img")).to_have_count(61)
    page.locator("#kind").select_option("edited")
    page.locator("#least").fill("0.99")
    expect(page.get_by_role("status")).to_have_text("page 1 of 40, 999 groups")
    page.locator("#text").fill("/00019.jpg")
    expect(page.locator("section")).to_have_count(1)
