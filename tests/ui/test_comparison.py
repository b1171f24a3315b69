"""Comparison of a match: zoom and pan in step on both pictures, swipes on a phone, decisions by one key."""

import re

import pytest
from playwright.sync_api import expect

from tests.ui.test_verified_view import CROP, HEIGHT, SIZE, WIDTH, compared, search_for
from tests.ui.test_whole_page import PHONE

SHOWN = """figure => {
    const pane = figure.querySelector(".pane").getBoundingClientRect();
    const frame = figure.querySelector(".whole .frame, .frame").getBoundingClientRect();
    return [(pane.x + pane.width / 2 - frame.x) / frame.width, (pane.y + pane.height / 2 - frame.y) / frame.height,
            frame.width];
}"""


@pytest.fixture
def crop(drawn):
    """A part of `picture-07.jpg`."""
    return drawn(7, SIZE).crop(CROP).resize((336, 252))


def shown(box, role):
    """The place in the middle of a pane, in shares of the picture, and the width of the picture in pixels."""
    return box.locator(f".{role}").evaluate(SHOWN)


def same_place(box):
    """The middles of both panes show the same place of the picture, within some thumbnail pixels."""
    (x, y, _), (right, down, _) = shown(box, "query"), shown(box, "match")
    expected = [(CROP[0] + x * (CROP[2] - CROP[0])) / WIDTH, (CROP[1] + y * (CROP[3] - CROP[1])) / HEIGHT]
    assert [right, down] == pytest.approx(expected, abs=0.03)


def position(box):
    """The place of the match in the list, from 1 on."""
    return int(re.search(r"Match (\d+) of", box.locator("h2").inner_text())[1])


def test_zoom_and_pan_are_in_step(shared, open_page, jpeg, crop):
    page = open_page(shared)
    search_for(page, jpeg, crop)
    box = compared(page)
    *_, before = shown(box, "query")
    for _ in range(4):
        page.keyboard.press("+")
    expect(box.locator(".stage.zoomed")).to_be_visible()
    assert shown(box, "query")[2] == pytest.approx(before * 1.4**4, rel=0.01)
    same_place(box)
    middle = shown(box, "query")[:2]
    area = box.locator(".query .pane").bounding_box()
    x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=4)
    page.mouse.up()
    panned = shown(box, "query")[:2]
    assert panned[0] < middle[0]
    assert panned[1] < middle[1]
    same_place(box)
    page.mouse.move(x + 30, y + 20)
    page.mouse.wheel(0, -120)
    same_place(box)
    box.get_by_role("button", name="Whole").click()
    expect(box.locator(".stage.zoomed")).to_have_count(0)
    assert shown(box, "query")[2] == pytest.approx(before)


def swipe(page, box, right):
    """Move a finger sideways over the query."""
    area = box.locator(".query .pane").bounding_box()
    x, y = area["x"] + area["width"] / 2, area["y"] + area["height"] / 2
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 6):
        at = {"x": x + step * right / 5, "y": y}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_a_swipe_goes_to_the_next_match_on_a_phone(shared, open_page, jpeg, crop):
    page = open_page(shared, **PHONE)
    search_for(page, jpeg, crop)
    box = compared(page)
    title, first = box.locator("h2"), position(box)
    swipe(page, box, -120)
    expect(title).to_contain_text(f"Match {first + 1} of")
    swipe(page, box, 120)
    expect(title).to_contain_text(f"Match {first} of")
    expect(box.locator(".frame.fitted")).to_have_count(2)
    page.keyboard.press("+")
    page.keyboard.press("+")
    swipe(page, box, -60)  # pans
    expect(title).to_contain_text(f"Match {first} of")
    assert shown(box, "query")[0] > 0.55


def test_the_edges_go_to_the_match_before_and_after(shared, open_page, folder):
    page = open_page(shared)
    page.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    page.locator(".answer .card").first.click()
    box = page.get_by_role("dialog")
    before, after = box.get_by_role("button", name="Previous match"), box.get_by_role("button", name="Next match")
    expect(before).to_have_attribute("aria-disabled", "true")
    after.click()
    expect(box.locator("h2")).to_contain_text("Match 2 of")
    expect(before).to_have_attribute("aria-disabled", "false")
    before.click()
    expect(box.locator("h2")).to_contain_text("Match 1 of")


def test_a_decision_is_made_and_withdrawn_by_one_key(changing, open_page, folder):
    def made():
        return [one["decision"] for one in changing.http.get("/decisions").json()["decisions"]]

    page = open_page(changing)
    page.locator("input[type=file]").set_input_files(folder / "copy.jpg")
    page.locator(".answer .card", has_text="picture-03.jpg").click()
    box = page.get_by_role("dialog")
    undo = box.get_by_role("button", name="Undo")
    expect(undo).to_be_hidden()
    page.keyboard.press("y")
    expect(box).to_contain_text("Confirmed: it is a copy.")
    page.keyboard.press("n")
    expect(box).to_contain_text("Denied: it is no copy")
    expect(box.get_by_role("button", name="Deny")).to_have_attribute("aria-pressed", "true")
    assert made() == ["confirm", "deny"]
    page.keyboard.press("u")
    expect(box).to_contain_text("The decision is withdrawn. Confirmed: it is a copy.")  # what counted before
    assert made() == ["confirm"]
    undo.click()
    expect(undo).to_be_hidden()
    expect(box.get_by_role("button", name="Confirm")).to_have_attribute("aria-pressed", "false")
    expect(box.get_by_role("button", name="Confirm")).to_be_focused()
    assert made() == []
    page.keyboard.press("n")
    expect(undo).to_be_visible()
    [number] = [one["id"] for one in changing.http.get("/decisions").json()["decisions"]]
    changing.http.delete(f"/decisions/{number}").raise_for_status()  # somebody else withdraws it
    page.keyboard.press("u")
    expect(box).to_contain_text(f"there is no decision {number}; perhaps it was withdrawn")
    expect(undo).to_be_hidden()
