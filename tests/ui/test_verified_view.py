"""Verified matches: outlines on both pictures, the match laid over the query, what was changed, in words, too."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps
from playwright.sync_api import expect

from tests.ui.test_whole_page import PHONE, SCREENS, serious

CROP = (80, 36, 304, 204)
COVERED = (180, 60, 275, 140)
WIDTH, HEIGHT = SIZE = (320, 240)
SCREEN_POINTS = """svg => [...svg.querySelector(".line").points].map((point) => {
    const {x, y} = point.matrixTransform(svg.getScreenCTM());
    return [x, y];
})"""
RECTANGLE = (
    "one => { const {left, top, right, bottom} = one.getBoundingClientRect(); return [left, top, right, bottom]; }"
)
OLDER = {"region": [0.1, 0.1, 0.6, 0.6], "turn": 0}
VERIFIED = {"region": None, "turn": 0, "mirrored": False, "inliers": 9, "transform": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}
VERIFIED |= {"changed": {"share": 0, "regions": []}, "part": "whole"}
VERIFIED |= {name: {"share": 1, "polygon": [[0, 0], [1, 0], [1, 1]]} for name in ("query", "match")}


@pytest.fixture
def known(drawn):
    """The picture of `picture-07.jpg`."""
    return drawn(7, SIZE)


def covered(picture):
    """The picture with a striped sheet over a part of it."""
    picture = picture.copy()
    brush = ImageDraw.Draw(picture)
    brush.rectangle(COVERED, fill=(250, 250, 250))
    for x in range(COVERED[0] + 6, COVERED[2], 12):
        brush.line((x, COVERED[1], x - 4, COVERED[3]), fill=(0, 0, 0), width=3)
    return picture


def on_a_page(picture):
    page = Image.new("RGB", (500, 700), (244, 245, 247))
    page.paste(picture, (90, 200))
    return page


def search_for(page, jpeg, picture, verify="always"):
    """Search with this verification, which the page leaves to the server. Returns the match `picture-07.jpg`."""
    page.unroute_all()
    page.route(re.compile(r"/search\?"), lambda one: one.continue_(url=f"{one.request.url}&verify={verify}"))
    with page.expect_response(re.compile(r"/search\?")) as response:
        page.locator("input[type=file]").set_input_files(
            {"name": "query.jpg", "mimeType": "image/jpeg", "buffer": jpeg(picture, quality=95)}
        )
    [found] = [one for one in response.value.json()["items"][0]["matches"] if one["key"] == "picture-07.jpg"]
    return found


def card(page):
    return page.locator(".answer .card", has_text="picture-07.jpg").first


def compared(page):
    """The comparison with `picture-07.jpg`, its pictures loaded."""
    card(page).click()
    box = page.get_by_role("dialog")
    expect(box.locator(".frame.fitted")).to_have_count(2)
    return box


def on_screen(shares, rectangle):
    """Points (C, 2) in shares of the sides of a ``rectangle`` as points of the screen."""
    left, top, right, bottom = rectangle
    return np.asarray(shares) * (right - left, bottom - top) + (left, top)


def facts(box):
    return dict(zip(box.locator("dt").all_text_contents(), box.locator("dd").all_text_contents(), strict=True))


@pytest.mark.parametrize("screen", [{}, PHONE])
def test_a_crop_is_outlined_on_both_pictures(shared, open_page, known, jpeg, screen):
    page = open_page(shared, **screen)
    where = search_for(page, jpeg, known.crop(CROP).resize((336, 252)))["where"]
    true = np.reshape(CROP, (2, 2)) / SIZE
    polygon = np.asarray(where["match"]["polygon"])
    assert np.abs([polygon.min(0), polygon.max(0)] - true).max() < 0.04
    expect(card(page).locator(".tag")).to_have_text("cropped")
    box = compared(page)
    for role in ("query", "match"):
        outline, picture = box.locator(f".{role} svg.outline"), box.locator(f".{role} img")
        expect(outline).to_be_visible()
        rectangle = picture.evaluate(RECTANGLE)
        expected = on_screen(where[role]["polygon"], rectangle)
        assert np.abs(outline.evaluate(SCREEN_POINTS) - expected).max() < 1
        sides = rectangle[2] - rectangle[0], rectangle[3] - rectangle[1]
        assert sides[0] / sides[1] == pytest.approx(4 / 3, abs=0.01)  # not stretched
    share = round(100 * where["match"]["share"])
    told = facts(box)
    assert told["shared area"] == f"100 % of the query, {share} % of the match"
    assert told["found"] == "as a part of the match"
    assert told["agreeing points"] == str(where["inliers"])
    assert told["mirrored"] == "no"
    page.keyboard.press("o")
    expect(box.locator("svg.outline")).to_have_count(2)
    expect(box.locator("svg.outline").first).to_be_hidden()
    box.get_by_role("button", name="Outlines").click()
    expect(box.locator("svg.outline").last).to_be_visible()


def test_the_outlines_are_seen_on_light_and_on_dark_pictures(shared, open_page, known, jpeg):
    """Two lines, of which one differs clearly in lightness from every ground."""
    page = open_page(shared)
    search_for(page, jpeg, known.crop(CROP).resize((336, 252)))
    strokes = compared(page).locator(".match svg.outline polygon")
    found = strokes.evaluate_all(
        "all => all.map((one) => [getComputedStyle(one).stroke, parseFloat(getComputedStyle(one).strokeWidth)])"
    )
    dark, light = (np.dot([int(one) for one in re.findall(r"\d+", colour)[:3]], (0.3, 0.6, 0.1)) for colour, _ in found)
    assert dark < 40
    assert light > 180
    assert found[0][1] >= found[1][1] + 2  # the dark line shows on both sides of the light one


@pytest.mark.parametrize("kind", ["page", "mirrored"])
def test_blinking_lays_the_match_over_its_place_in_the_query(shared, open_page, known, jpeg, kind):
    page = open_page(shared)
    query = on_a_page(known) if kind == "page" else ImageOps.mirror(known)
    where = search_for(page, jpeg, query)["where"]
    expect(card(page).locator(".tag")).to_have_text("in a part" if kind == "page" else "mirrored")
    box = compared(page)
    box.get_by_role("button", name="Outlines").click()
    page.keyboard.press("b")
    laid = box.locator(".laid .frame.fitted")
    expect(laid).to_have_count(1)
    layer = laid.locator(".warp img")
    expect(layer).to_have_attribute("style", re.compile("matrix3d"))
    frame = laid.evaluate(RECTANGLE)
    corners = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]) @ np.transpose(where["transform"])
    expected = on_screen(corners[:, :2] / corners[:, 2:], frame)
    covers = np.reshape(layer.evaluate(RECTANGLE), (2, 2))
    assert np.abs(covers - [expected.min(0), expected.max(0)]).max() < 1
    # The blink is stopped: the pictures of both of its halves show nearly the same.
    page.evaluate("for (let timer = 0; timer < 100000; timer += 1) clearInterval(timer)")
    shown = box.locator(".query .frame")
    views = [pixels(page, box, shown, swapped) for swapped in (False, True)]
    assert np.abs(views[0] - views[1]).mean() < 4
    assert np.abs(views[0] - views[1][:, ::-1]).mean() > 12
    layer.evaluate("one => (one.style.transform = 'none')")
    assert np.abs(views[0] - pixels(page, box, shown, True)).mean() > 12
    page.keyboard.press("b")
    expect(box.locator(".match .whole")).to_be_visible()
    expect(laid).to_be_hidden()


def pixels(page, box, shown, swapped):
    """What the screen shows at the place of the query (h, w, 3)."""
    box.locator(".stage").evaluate("(one, on) => one.classList.toggle('swapped', on)", swapped)
    x, y, width, height = (shown.bounding_box()[name] for name in ("x", "y", "width", "height"))
    picture = page.screenshot(clip={"x": x, "y": y, "width": width, "height": height})
    return np.asarray(Image.open(BytesIO(picture)).convert("RGB"), np.float32)


def test_a_perspective_is_applied_as_the_answer_says(shared, open_page):
    page = open_page(shared)
    transform = np.array([[0.7, -0.1, 0.2], [0.15, 0.6, 0.1], [-0.2, 0.3, 1.0]])
    points = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1], [0.3, 0.7, 1]])
    found = page.evaluate(
        """async ([transform, points]) => {
            const { matrix } = await import("/ui/matching/overlay.js");
            const css = new DOMMatrix(matrix(transform, 400, 250));
            return points.map(([x, y]) => {
                const at = css.transformPoint(new DOMPoint(400 * x, 250 * y));
                return [at.x / at.w / 400, at.y / at.w / 250];
            });
        }""",
        [transform.tolist(), points.tolist()],
    )
    expected = points @ transform.T
    np.testing.assert_allclose(found, expected[:, :2] / expected[:, 2:], atol=1e-6)


def test_what_was_changed_is_marked_on_the_query(shared, open_page, known, jpeg):
    page = open_page(shared)
    changed = search_for(page, jpeg, covered(known))["where"]["changed"]
    expect(card(page).locator(".tag")).to_have_count(0)
    box = compared(page)
    count = len(changed["regions"])
    places = "1 place" if count == 1 else f"{count} places"
    told = f"{round(100 * changed['share'])} % of what both show, in {places}"
    assert facts(box)["changed"] == told
    mark = box.locator(".query .change").first  # the largest
    expect(box.locator(".query .change")).to_have_count(count)
    expect(mark).to_be_hidden()
    page.keyboard.press("c")
    expect(mark).to_be_visible()
    expect(box.get_by_role("button", name="What changed")).to_have_attribute("aria-pressed", "true")
    expect(box.get_by_role("status")).to_have_text(f"Changed: {told}.")
    frame = box.locator(".query img").evaluate(RECTANGLE)
    expected = on_screen(np.reshape(changed["regions"][0], (2, 2)), frame)
    found = np.reshape(mark.evaluate(RECTANGLE), (2, 2))
    assert np.abs(found - expected).max() < 1
    cell = np.multiply(12 / WIDTH, frame[2] - frame[0])
    assert np.abs(found - on_screen(np.reshape(COVERED, (2, 2)) / SIZE, frame)).max() < 1.5 * cell
    expect(box.locator(".match .change")).to_have_count(0)
    box.get_by_role("button", name="What changed").click()
    expect(mark).to_be_hidden()
    expect(box.get_by_role("status")).to_be_empty()


def test_a_whole_match_has_no_tag(shared, open_page, known, jpeg):
    page = open_page(shared)
    where = search_for(page, jpeg, known.resize((280, 210)))["where"]
    assert where["part"] == "whole"
    expect(card(page)).to_be_visible()
    expect(card(page).locator(".tag")).to_have_count(0)
    told = facts(compared(page))
    assert told["found"] == "in the whole picture"
    assert re.fullmatch(r"(9[5-9]|100) % of the query, (9[5-9]|100) % of the match", told["shared area"])


def test_the_comparison_works_without_verification(shared, open_page, known, jpeg):
    page = open_page(shared)
    assert search_for(page, jpeg, known.resize((280, 210)), verify="never")["where"] is None
    expect(card(page).locator(".tag")).to_have_count(0)
    box = compared(page)
    expect(box.locator("svg.outline")).to_have_count(0)
    for name in ("Outlines", "What changed"):
        expect(box.get_by_role("button", name=name)).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("c")
    expect(box.get_by_role("status")).to_be_empty()
    page.keyboard.press("b")
    expect(box.locator(".match")).to_be_hidden()
    expect(box.locator(".match img")).to_be_visible()
    assert facts(box)["found"] == "in the whole picture"


def test_layers_stay_on_from_match_to_match(shared, open_page, known, jpeg):
    """The second match shows nothing of the query: no outlines; back on the first they are there again."""
    page = open_page(shared)
    changed = search_for(page, jpeg, covered(known))["where"]["changed"]
    box = compared(page)
    expect(box.get_by_role("heading")).to_have_text("Match 1 of 20")
    page.keyboard.press("c")
    page.keyboard.press("b")
    page.keyboard.press("ArrowRight")
    expect(box.get_by_role("button", name="What changed")).to_have_attribute("aria-disabled", "true")
    expect(box.locator("svg.outline, .change, .laid")).to_have_count(0)
    assert facts(box)["compared"] == "no common points were found"
    page.keyboard.press("ArrowLeft")
    for part in ("query", "laid"):
        expect(box.locator(f".{part} .change")).to_have_count(len(changed["regions"]))
    expect(box.locator(".stage.blink.marked.outlined")).to_be_visible()


def test_the_words_on_a_card(shared, open_page):
    quarter = [[0, 1, 0], [-1, 0, 1], [0, 0, 1]]
    small, large = ({"share": share, "polygon": []} for share in (0.2, 1))
    cases = [
        (None, None),
        (OLDER, "in a part"),
        (OLDER | {"region": None, "turn": 90}, "turned 90°"),
        (VERIFIED, None),
        (VERIFIED | {"region": OLDER["region"]}, None),  # found by a region, and then seen to be whole
        (VERIFIED | {"part": "part", "query": small}, "in a part"),
        (VERIFIED | {"part": "part", "query": large, "match": small}, "cropped"),
        (VERIFIED | {"part": "overlay", "query": small}, "overlay only"),
        (VERIFIED | {"mirrored": True, "transform": [[-1, 0, 1], [0, 1, 0], [0, 0, 1]]}, "mirrored"),
        (VERIFIED | {"part": "part", "query": small, "transform": quarter}, "in a part, turned 270°"),
    ]
    page = open_page(shared)
    found = page.evaluate(
        "async (all) => { const { tag } = await import('/ui/matching/where.js'); return all.map(tag); }",
        [where for where, _ in cases],
    )
    assert found == [words for _, words in cases]


def test_a_query_that_the_browser_cannot_show_is_compared_without_outlines(shared, open_page, known, jpeg):
    page = open_page(shared)
    page.route(re.compile(r"/search\?"), lambda one: one.continue_(url=f"{one.request.url}&verify=always"))
    page.locator("input[type=file]").set_input_files(
        {"name": "query.tiff", "mimeType": "image/tiff", "buffer": jpeg(known, kind="TIFF")}
    )
    card(page).click()
    box = page.get_by_role("dialog")
    expect(box.locator(".match .frame.fitted svg.outline")).to_be_visible()
    expect(box.locator(".query img.missing")).to_be_visible()
    expect(box.locator(".query svg.outline")).to_be_hidden()
    page.keyboard.press("b")
    expect(box.locator(".match .whole img")).to_be_visible()  # as there is nothing to lay it over


@pytest.mark.parametrize("screen", SCREENS)
def test_outlines_marks_and_blinking_are_accessible(shared, open_page, known, jpeg, screen):
    page = open_page(shared, bypass_csp=True, **SCREENS[screen])
    search_for(page, jpeg, covered(known))
    box = compared(page)
    page.keyboard.press("c")
    expect(box.locator(".query .change").first).to_be_visible()
    assert serious(page) == []
    page.keyboard.press("b")
    expect(box.locator(".laid .frame.fitted")).to_have_count(1)
    assert serious(page) == []


def test_on_a_phone_the_pictures_are_stacked(shared, open_page, known, jpeg):
    page = open_page(shared, **PHONE)
    search_for(page, jpeg, on_a_page(known))
    box = compared(page)
    one, other = (box.locator(f".{role} .frame").bounding_box() for role in ("query", "match"))
    assert other["y"] > one["y"] + one["height"]
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
    for name in ("Blink", "Outlines", "What changed"):
        box.get_by_role("button", name=name).click()
    expect(box.locator(".laid .frame.fitted")).to_have_count(1)
    assert box.evaluate("box => box.scrollWidth <= box.clientWidth")
