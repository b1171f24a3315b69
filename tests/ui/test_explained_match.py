"""Why a query matches: heat on both pictures of a comparison where places add to the similarity; in words, too."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from index_builder.build import Plan, build
from index_builder.progress import Progress
from tests.service.conftest import serving
from tests.ui.test_verified_view import RECTANGLE
from tests.ui.test_whole_page import PHONE, SCREENS, serious

ALPHA = """canvas => {
    const {width, height} = canvas, {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
    const row = (at) => Array.from({length: width}, (_, column) => data[4 * (at * width + column) + 3]);
    return Array.from({length: height}, (_, at) => row(at));
}"""
PAGE, AT, SIZE = (480, 360), (200, 150), (240, 180)


@pytest.fixture(scope="module")
def explaining(tmp_path_factory, drawn, jpeg):
    """A server on three pictures of the default bundle, which can explain a similarity."""
    folder, directory = tmp_path_factory.mktemp("explained"), tmp_path_factory.mktemp("explaining") / "index"
    for seed in (1, 2, 3):
        (folder / f"picture-{seed}.jpg").write_bytes(jpeg(drawn(seed, SIZE), quality=95))
    build(Plan(folder, directory, bundle="default", threads=1), Progress())
    with serving(directory) as server:
        yield server


@pytest.fixture
def pasted(drawn, jpeg) -> bytes:
    """Picture 1 in the lower right of a white page."""
    page = Image.new("RGB", PAGE, "white")
    page.paste(drawn(1, SIZE), AT)
    return jpeg(page, quality=95)


def compared(page, picture):
    page.locator("input[type=file]").set_input_files({"name": "query.jpg", "mimeType": "image/jpeg", "buffer": picture})
    page.locator(".answer .card", has_text="picture-1.jpg").first.click()
    box = page.get_by_role("dialog")
    expect(box.locator(".frame.fitted").first).to_be_visible()
    return box


def explained(page, box):
    """Switches the heat on. Returns the explanation that the server answered."""
    with page.expect_response(re.compile("/compare")) as response:
        page.keyboard.press("w")
    expect(box.locator("canvas.heat")).to_have_count(2)
    return response.value.json()["explanation"]


@pytest.mark.parametrize("screen", [{}, PHONE])
def test_the_heat_lies_on_what_both_pictures_show(explaining, open_page, pasted, screen):
    page = open_page(explaining, **screen)
    box = compared(page, pasted)
    found = explained(page, box)
    assert np.sum(found["maps"], axis=(1, 2)) == pytest.approx([found["similarity"]] * 2, abs=1e-4)
    for role, values in zip(("query", "match"), found["maps"], strict=True):
        heat, picture = box.locator(f".{role} canvas.heat"), box.locator(f".{role} .heated img")
        expect(heat).to_be_visible()
        expect(box.locator(f".{role} .whole").first).to_be_hidden()
        assert np.abs(np.subtract(heat.evaluate(RECTANGLE), picture.evaluate(RECTANGLE))).max() < 1
        alpha = np.array(heat.evaluate(ALPHA), float)
        weight = np.clip(values, 0, None) / np.max(values)
        np.testing.assert_allclose(alpha / 255, 0.75 - 0.4125 * weight, atol=0.01)
    bright = 0.75 - np.array(box.locator(".query canvas.heat").evaluate(ALPHA)) / 255
    assert bright[10:22, 10:22].sum() > 0.8 * bright.clip(0).sum()


def test_the_heat_is_smooth(explaining, open_page, pasted):
    """The screen changes within the places, too, and not at their edges only."""
    page = open_page(explaining)
    box = compared(page, pasted)
    explained(page, box)
    page.keyboard.press("o")
    expect(box.locator(".stage[aria-busy], .stage.outlined")).to_have_count(0)
    page.evaluate("document.querySelectorAll('.heated img').forEach((one) => (one.style.visibility = 'hidden'))")
    x, y, width, height = (
        box.locator(".query canvas.heat").bounding_box()[name] for name in ("x", "y", "width", "height")
    )
    shot = page.screenshot(clip={"x": x, "y": y, "width": width, "height": height})
    pixels = np.asarray(Image.open(BytesIO(shot)).convert("RGB"), int)
    steps = np.abs(np.diff(pixels, axis=1)).max(axis=2)
    part = steps[round(height / 2) : -8, round(width / 2) : -8]
    assert (part > 0).mean() > 0.2  # blocks of 15 pixels would change in less than one of ten
    assert part.max() < 40


def test_words_say_what_the_heat_shows(explaining, open_page, pasted):
    page = open_page(explaining)
    box = compared(page, pasted)
    found = explained(page, box)
    status = box.get_by_role("status")
    expect(status).to_contain_text(f"Half of the similarity of {found['similarity']:.3f} comes from")
    shares = [int(one) for one in re.findall(r"(\d+) %", status.text_content())]
    for values, share in zip(found["maps"], shares, strict=True):
        ranked = np.sort(np.clip(values, 0, None).ravel())[::-1]
        needed = np.searchsorted(np.cumsum(ranked), ranked.sum() / 2) + 1
        assert share == pytest.approx(100 * needed / ranked.size, abs=1)
    expect(box.get_by_role("img", name=re.compile("heat map of what each place of the query adds"))).to_be_visible()
    page.keyboard.press("w")
    expect(box.locator("canvas.heat").first).to_be_hidden()
    expect(status).to_be_empty()
    expect(box.locator(".query .whole").first).to_be_visible()


def test_the_heat_stays_on_from_match_to_match_and_is_fetched_once(explaining, open_page, pasted):
    page = open_page(explaining)
    asked = []
    page.on("request", lambda one: asked.append(one.url) if "/compare?" in one.url else None)
    box = compared(page, pasted)
    explained(page, box)
    first = box.locator(".match canvas.heat").evaluate(ALPHA)
    page.keyboard.press("ArrowRight")
    expect(box.get_by_role("heading")).to_contain_text("Match 2")
    expect(box.locator("canvas.heat")).to_have_count(2)
    expect(box.get_by_role("button", name="Why")).to_have_attribute("aria-pressed", "true")
    assert box.locator(".match canvas.heat").evaluate(ALPHA) != first
    page.keyboard.press("ArrowLeft")
    expect(box.get_by_role("heading")).to_contain_text("Match 1")
    expect(box.locator("canvas.heat")).to_have_count(2)
    assert box.locator(".match canvas.heat").evaluate(ALPHA) == first
    assert len(asked) == 2


def test_outlines_lie_over_the_heat_and_blinking_shows_the_pictures(explaining, open_page, drawn, jpeg):
    page = open_page(explaining)
    page.route(re.compile(r"/search\?"), lambda one: one.continue_(url=f"{one.request.url}&verify=always"))
    box = compared(page, jpeg(drawn(1, SIZE).crop((40, 20, 220, 160)), quality=95))
    explained(page, box)
    for role in ("query", "match"):
        expect(box.locator(f".{role} .heated svg.outline")).to_be_visible()
    page.keyboard.press("o")
    expect(box.locator(".match .heated svg.outline")).to_be_hidden()
    page.keyboard.press("b")
    expect(box.locator("canvas.heat").first).to_be_hidden()
    page.keyboard.press("b")
    expect(box.locator("canvas.heat").first).to_be_visible()


def test_a_bundle_without_explanations_has_no_heat(shared, open_page, jpeg, drawn):
    page = open_page(shared)
    page.locator("input[type=file]").set_input_files(
        {"name": "query.jpg", "mimeType": "image/jpeg", "buffer": jpeg(drawn(7, (320, 240)))}
    )
    page.locator(".answer .card").first.click()
    button = page.get_by_role("dialog").get_by_role("button", name="Why")
    expect(button).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("w")
    expect(page.get_by_role("dialog").locator("canvas.heat")).to_have_count(0)


def test_an_error_is_told_and_the_pictures_stay(explaining, open_page, pasted):
    page = open_page(explaining)
    page.route(
        re.compile(r"/compare\?"),
        lambda one: one.fulfill(status=503, json={"detail": "the server is busy", "code": "busy"}),
    )
    box = compared(page, pasted)
    page.keyboard.press("w")
    expect(box.get_by_role("status")).to_have_text("the server is busy")
    expect(box.locator(".query .whole").first).to_be_visible()
    page.unroute_all()
    page.keyboard.press("w")
    explained(page, box)


@pytest.mark.parametrize("screen", SCREENS)
def test_the_heat_is_accessible(explaining, open_page, pasted, screen):
    page = open_page(explaining, bypass_csp=True, **SCREENS[screen])
    box = compared(page, pasted)
    explained(page, box)
    expect(box.locator(".stage[aria-busy]")).to_have_count(0)
    assert serious(page) == []
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
