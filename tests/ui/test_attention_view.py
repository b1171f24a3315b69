"""Attention view: heat, masks, sliders, heads and objects, reading a patch by mouse and keyboard."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from index_builder.build import Plan, build
from index_builder.progress import Progress
from tests.conftest import exported_vit
from tests.service.conftest import serving
from tests.ui.test_whole_page import PHONE, serious

PIXELS = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).join()"


def test_sliders_change_the_picture(shared, open_page, folder):
    page = open_page(shared, "attention")
    page.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    expect(page.locator("canvas")).to_have_count(3)  # all heads, and each of two
    canvas = page.locator("canvas").nth(1)
    drawings = [canvas.evaluate(PIXELS)]
    page.get_by_role("slider", name="Opacity").fill("0.2")
    drawings.append(canvas.evaluate(PIXELS))
    expect(page.get_by_role("slider", name="Share of attention")).to_be_disabled()
    page.get_by_role("checkbox", name="Show masks").check()
    drawings.append(canvas.evaluate(PIXELS))
    page.get_by_role("slider", name="Share of attention").fill("0.3")
    drawings.append(canvas.evaluate(PIXELS))
    assert len(set(drawings)) == 4


def test_maps_are_smooth_heat_first_and_masks_in_blocks_if_asked(shared, open_page):
    """The largest step between neighbouring pixels, where the picture itself is black."""
    picture, out = Image.new("RGB", (96, 96)), BytesIO()
    picture.paste((255, 255, 255), (36, 36, 60, 60))
    picture.save(out, "PNG")
    page = open_page(shared, "attention")
    page.locator("input[type=file]").set_input_files(
        {"name": "square.png", "mimeType": "image/png", "buffer": out.getvalue()}
    )
    canvas = page.locator("canvas").nth(1)
    expect(canvas).to_be_visible()

    def largest_step() -> int:
        pixels = np.array(canvas.evaluate(PIXELS).split(","), int).reshape(420, 420, 4)[:140, :, :3]
        assert np.ptp(pixels) > 30  # the map is no constant there
        return int(np.abs(np.diff(pixels, axis=1)).max())

    assert largest_step() < 8
    page.get_by_role("checkbox", name="Show masks").check()
    assert largest_step() > 30


def test_pointing_at_a_patch_shows_its_values(shared, open_page, folder):
    page = open_page(shared, "attention")
    page.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    canvas = page.locator("canvas").nth(1)
    expect(canvas).to_be_visible()
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    expect(page.locator(".reading")).to_contain_text("Row 1, column 1 of 4 x 4: head 0:")


def test_arrow_keys_frame_and_read_a_patch(shared, open_page):
    page = open_page(shared, "attention?id=1")
    sheet = page.locator("canvas").first
    expect(sheet).to_be_visible()
    plain = page.locator("canvas").nth(2).evaluate(PIXELS)
    sheet.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowUp", "ArrowLeft"):
        page.keyboard.press(key)
    expect(page.locator(".reading")).to_contain_text("Row 1, column 2 of 4 x 4")
    assert page.locator("canvas").nth(2).evaluate(PIXELS) != plain  # every sheet frames it
    maps = shared.http.post("/attention", files={"file": shared.http.get("/images/1/thumbnail").content}).json()
    shares = [100 * head[0][1] for head in maps["items"][0]["maps"]]
    for head, share in enumerate(shares):
        expect(page.locator(".reading")).to_contain_text(f"head {head}: {share:.2f} %")


def test_the_first_sheet_shows_all_heads(shared, open_page):
    page = open_page(shared, "attention?id=1")
    expect(page.locator("figcaption")).to_have_text(["all heads", "head 0", "head 1"])
    page.get_by_role("checkbox", name="Show masks").check()
    page.get_by_role("slider", name="Opacity").fill("1")
    colours = """canvas => {
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height), found = new Set();
        for (let at = 0; at < data.length; at += 4) found.add(data.slice(at, at + 3).join());
        return [...found];
    }"""
    [both, first, second] = [set(page.locator("canvas").nth(at).evaluate(colours)) for at in range(3)]
    assert {"0,114,178", "230,159,0"} <= both
    assert "0,114,178" in first - second
    assert "230,159,0" in second - first


def test_the_address_of_an_item_opens_it(shared, open_page):
    page = open_page(shared, "attention?id=1")
    expect(page.locator("canvas").first).to_be_visible()


def test_a_bad_file_shows_its_error(shared, open_page, folder):
    page = open_page(shared, "attention")
    page.locator("input[type=file]").set_input_files(folder / "broken.jpg")
    expect(page.get_by_role("alert")).not_to_be_empty()


@pytest.fixture(scope="module")
def many_heads(tmp_path_factory, jpeg, drawn):
    """A server on one picture of a bundle with 12 attention heads."""
    bundle = exported_vit(tmp_path_factory.mktemp("bundles"), "many", 32, 96, 1, 0, heads=12)
    folder, directory = tmp_path_factory.mktemp("many"), tmp_path_factory.mktemp("heads") / "index"
    (folder / "0.jpg").write_bytes(jpeg(drawn(0)))
    build(Plan(folder, directory, bundle=str(bundle.path), threads=1), Progress())
    with serving(directory) as server:
        yield server


@pytest.mark.parametrize("screen", [{}, PHONE])
def test_many_heads_are_in_one_row_that_scrolls(many_heads, open_page, screen):
    page = open_page(many_heads, "attention?id=1", bypass_csp=True, **screen)
    names = ["all heads", *(f"head {number}" for number in range(12))]
    expect(page.locator("figcaption")).to_have_text(names)
    tops = {round(figure.bounding_box()["y"]) for figure in page.locator("figure").all()}
    assert len(tops) == 1
    row = page.locator(".heads")
    assert row.evaluate("one => one.scrollWidth > 2 * one.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    last = page.locator("canvas").last
    last.focus()
    page.keyboard.press("ArrowLeft")
    expect(last).to_be_in_viewport()
    expect(page.locator(".reading")).to_contain_text("head 11: ")
    expect(page.locator("[aria-busy]")).to_have_count(0)
    assert serious(page) == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A server on an empty index of the default bundle, which has heads and objects."""
    with serving(tmp_path_factory.mktemp("whole") / "index") as server:
        yield server


def test_the_object_of_the_whole_picture_is_shown(whole, open_page):
    picture, out = Image.new("RGB", (300, 120), (70, 74, 70)), BytesIO()
    ImageDraw.Draw(picture).ellipse((120, 25, 190, 95), fill=(250, 220, 40))
    picture.save(out, "PNG")
    page = open_page(whole, "attention")
    page.locator("input[type=file]").set_input_files(
        {"name": "ball.png", "mimeType": "image/png", "buffer": out.getvalue()}
    )
    expect(page.locator("figcaption")).to_have_text(["object"])
    page.get_by_label("Maps").select_option("heads")
    expect(page.locator("figcaption")).to_have_text(["all heads", "head 0", "head 1", "head 2"])
    page.get_by_label("Maps").select_option("objects")
    expect(page.locator("figcaption")).to_have_text(["object"])
    size = page.locator("canvas").evaluate("canvas => [canvas.width, canvas.height]")
    assert size == [420, 168]  # the whole picture, not the central square
    page.locator("canvas").hover(position={"x": 5, "y": 5})
    expect(page.locator(".reading")).to_contain_text("Row 1, column 1 of 20 x 50: object: 0.00 %")


def test_a_bundle_without_objects_offers_heads_only(shared, open_page):
    page = open_page(shared, "attention?id=1")
    expect(page.locator("canvas").first).to_be_visible()
    expect(page.get_by_label("Maps")).to_have_count(0)
