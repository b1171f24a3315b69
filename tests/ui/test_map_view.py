"""Map view: pan, zoom, colours, a lasso, and all of it by keyboard; an index without a map says how to make one."""

import re
import shutil

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from copysight.curation import flat_map
from copysight.curation.flat_map import FlatMap
from tests.service.conftest import serving

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="session")
def mapped(built, tmp_path_factory):
    """A server with a map: the pictures on a regular grid of six columns and four rows, in the order of their ids."""
    directory = shutil.copytree(built, tmp_path_factory.mktemp("mapped") / "index")
    columns, rows = np.meshgrid(np.linspace(-0.9, 0.9, 6), np.linspace(-0.9, 0.9, 4))
    with serving(directory) as server:
        ids = np.sort([item["id"] for item in server.http.get("/images").json()["items"]])
        places = np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)
        flat_map.write(directory, FlatMap(ids, places))
        yield server


def canvas(page):
    return page.get_by_role("application", name=re.compile("^Map of 24 pictures"))


def place(page, x, y):
    """Where a place of the map is on the screen, before it is moved or zoomed."""
    box = canvas(page).bounding_box()
    scale = 0.47 * min(box["width"], box["height"])
    return box["x"] + box["width"] / 2 + x * scale, box["y"] + box["height"] / 2 + y * scale


def selected(page):
    return page.get_by_label("selected pictures").locator(".card")


def points(page):
    """Pixels of the canvas that are drawn."""
    return canvas(page).evaluate(
        "one => { const d = one.getContext('2d').getImageData(0, 0, one.width, one.height).data;"
        "let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"
    )


def test_an_index_without_a_map_says_how_to_make_one(shared, open_page):
    page = open_page(shared, "map")
    expect(page.get_by_text("This index has no map yet")).to_be_visible()
    expect(page.get_by_text("copysight index export map.csv --index DIR --map")).to_be_visible()


def test_a_lasso_selects_what_lies_inside(mapped, open_page):
    page = open_page(mapped, "map")
    expect(page.get_by_text("24 pictures; none selected.")).to_be_visible()
    assert points(page) > 100
    page.get_by_role("button", name="Lasso").click()
    corners = [(-1, -1), (0.05, -1), (0.05, 0.05), (-1, 0.05)]
    page.mouse.move(*place(page, *corners[0]))
    page.mouse.down()
    for corner in [*corners[1:], corners[0]]:
        page.mouse.move(*place(page, *corner), steps=4)
    page.mouse.up()
    expect(page.get_by_text("6 pictures selected.")).to_be_visible()
    expect(selected(page)).to_have_count(6)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the list of keys").click()
    keys = download.value.path().read_text().splitlines()
    assert keys == [f"picture-{number:02}.jpg" for number in (0, 1, 2, 6, 7, 8)]
    page.keyboard.press("Escape")
    expect(selected(page)).to_have_count(0)


def test_the_pointer_shows_a_picture_and_a_click_selects_it(mapped, open_page):
    page = open_page(mapped, "map")
    expect(canvas(page)).to_be_visible()
    page.mouse.move(*place(page, -0.9, -0.9))
    expect(page.locator(".tip")).to_contain_text("picture-00.jpg")
    page.mouse.move(*place(page, -0.72, -0.6))
    expect(page.locator(".tip")).to_be_hidden()
    page.mouse.click(*place(page, 0.9, 0.9))
    expect(selected(page)).to_have_count(1)
    expect(selected(page)).to_contain_text("picture-23.jpg")
    expect(selected(page)).to_have_attribute("href", re.compile("#/search"))


def test_dragging_moves_the_map_and_the_wheel_zooms_around_the_pointer(mapped, open_page):
    page = open_page(mapped, "map")
    expect(canvas(page)).to_be_visible()
    start, end = place(page, -0.9, -0.9), place(page, 0, 0)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=5)
    page.mouse.up()
    expect(page.get_by_text("none selected")).to_be_visible()
    page.mouse.move(*start)
    expect(page.locator(".tip")).to_be_hidden()
    page.mouse.move(*end)
    expect(page.locator(".tip")).to_contain_text("picture-00.jpg")
    page.mouse.wheel(0, -900)
    page.mouse.move(*end)
    expect(page.locator(".tip")).to_contain_text("picture-00.jpg")
    page.get_by_role("button", name="Select what is visible").click()
    expect(selected(page)).to_have_count(1)


def test_everything_goes_by_keyboard(mapped, open_page):
    page = open_page(mapped, "map")
    canvas(page).focus()
    page.keyboard.press("v")
    expect(page.get_by_text("24 pictures selected.")).to_be_visible()
    for _ in range(3):
        page.keyboard.press("+")
    page.keyboard.press("v")
    expect(page.get_by_text("24 pictures selected.")).to_have_count(0)
    before = page.locator("p[role=status]", has_text="selected").text_content()
    assert int(before.split()[0]) < 24
    page.keyboard.press("0")
    page.keyboard.press("v")
    expect(page.get_by_text("24 pictures selected.")).to_be_visible()
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Lasso")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_text("none selected")).to_be_visible()


def test_colours_follow_a_field_and_an_entry_of_the_legend_selects(mapped, open_page):
    page = open_page(mapped, "map")
    legend = page.get_by_role("group", name=re.compile("^Colours"))
    clusters = mapped.http.get("/clusters").json()["clusters"]
    expect(legend.get_by_role("button")).to_have_count(len(clusters))
    page.locator("select[name=by]").select_option("album")
    expect(legend.get_by_role("button")).to_have_count(4)
    legend.get_by_role("button", name="3 (6)").click()
    expect(selected(page)).to_have_count(6)
    expect(selected(page).first).to_contain_text("picture-03.jpg")
    page.locator("select[name=by]").select_option("camera")
    expect(legend.get_by_role("button")).to_have_text(["no value (24)"])


@pytest.mark.parametrize("screen", [{}, PHONE, {"color_scheme": "dark"}], ids=["desk", "phone", "dark"])
def test_the_map_is_accessible_and_fits(mapped, open_page, screen):
    page = open_page(mapped, "map", bypass_csp=True, **screen)
    page.get_by_role("button", name="Select what is visible").click()
    expect(selected(page).first).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0)
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    if screen is PHONE:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
