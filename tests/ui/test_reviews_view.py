"""Reviews view: a queue worked off by keyboard, what was changed between query and match, two people at one queue."""

import re

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import ImageDraw
from playwright.sync_api import expect

from copysight.index import Index
from tests.conftest import encoded
from tests.index_builder.dedupe.test_command import photograph
from tests.service.conftest import serving
from tests.service.moderation.test_scenario import until
from tests.ui.test_duplicates_view import PHONE

WAIT = 60_000


@pytest.fixture
def queue(tmp_path):
    """A server with three open reviews: copies of item 1 that are smaller, cropped, and covered in a place."""
    Index.create(tmp_path / "index").close()
    known = photograph(0)
    covered = known.copy()
    ImageDraw.Draw(covered).rectangle((200, 150, 330, 250), fill=(250, 250, 250))
    copies = [known.resize((400, 300)), known.crop((60, 40, 600, 440)), covered]
    with serving(tmp_path / "index") as server:
        post = server.http.post
        post("/images?collection=watch&key=case-1041", files={"file": encoded(known, quality=95)}).raise_for_status()
        server.http.put("/lists/watch", json={"policy": "review"}).raise_for_status()
        for number, copy in enumerate(copies):
            params = {"collection": "uploads", "match": True, "key": f"{number}.jpg"}
            post("/images", params=params, files={"file": encoded(copy, quality=85)}).raise_for_status()
        assert server.http.get("/reviews").json()["total"] == 3
        yield server


def outcomes(server):
    found = server.http.get("/reviews", params={"state": "all"}).json()["reviews"]
    return [one["outcome"] for one in found]


def test_a_queue_is_worked_off_by_keyboard(queue, open_page):
    page = open_page(queue, "reviews")
    expect(page.get_by_text("1 of 3 reviews")).to_be_visible()
    expect(page.locator(".stage .match figcaption")).to_contain_text("case-1041")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("2 of 3 reviews")).to_be_visible()
    expect(page.locator(".stage .query .outline")).to_be_visible(timeout=WAIT)  # the crop is outlined on both
    expect(page.locator(".stage .match .outline")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".stage .query .outline")).to_be_visible(timeout=WAIT)
    page.keyboard.press("c")
    expect(page.locator(".stage .query .change").first).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="Changed:")).to_be_visible()

    page.keyboard.press("r")
    page.keyboard.type("yes and no")  # letters, no shortcuts
    page.keyboard.press("Enter")
    assert outcomes(queue) == [None] * 3
    page.keyboard.press("n")
    expect(page.get_by_text("2 of 2 reviews")).to_be_visible()
    assert outcomes(queue) == [None, None, "deny"]
    page.keyboard.press("y")
    expect(page.get_by_text("1 of 1 review")).to_be_visible()
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("There is nothing to review.")).to_be_visible()
    assert outcomes(queue) == ["confirm", "confirm", "deny"]
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(page.get_by_text("1 of 1 review")).to_be_visible()
    assert sorted(outcomes(queue), key=str) == [None, "confirm", "deny"]
    page.keyboard.press("u")  # one step further back
    expect(page.get_by_text("2 of 2 reviews")).to_be_visible()
    assert outcomes(queue) == [None, None, "deny"]
    made = queue.http.get("/decisions").json()["decisions"]
    assert [(one["decision"], one["reason"]) for one in made] == [("deny", "yes and no")]
    page.keyboard.press("y")
    expect(page.get_by_text("1 of 1 review")).to_be_visible()
    page.keyboard.press("y")
    expect(page.get_by_text("There is nothing to review.")).to_be_visible()
    assert outcomes(queue) == ["confirm", "confirm", "deny"]
    page.locator("select[name=show]").select_option("closed")
    expect(page.get_by_text("1 of 3 reviews")).to_be_visible()
    expect(page.get_by_role("button", name="Deny")).to_be_disabled()


def test_what_somebody_else_decides_meanwhile_leaves_the_queue(queue, open_page):
    page = open_page(queue, "reviews")
    expect(page.get_by_text("1 of 3 reviews")).to_be_visible()
    [first] = until(lambda: queue.http.get("/reviews", params={"claim": "claimed"}).json()["reviews"])
    assert first["claimed_by"] == "local"
    with httpx.Client(base_url=queue.url) as other:
        other.post("/decisions", json={"match": first["match"], "decision": "confirm"}).raise_for_status()
    page.keyboard.press("n")
    expect(page.locator("#notice")).to_contain_text("is closed")
    expect(page.get_by_text("1 of 2 reviews")).to_be_visible()
    assert outcomes(queue) == ["confirm", None, None]
    page.locator("nav a", has_text="Search").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Which matches are right?")
    until(lambda: queue.http.get("/reviews", params={"claim": "claimed"}).json()["total"] == 0)


@pytest.mark.parametrize("screen", [{}, PHONE, {"color_scheme": "dark"}], ids=["desk", "phone", "dark"])
def test_the_view_is_accessible_and_fits(queue, open_page, screen):
    page = open_page(queue, "reviews", bypass_csp=True, **screen)
    expect(page.locator(".stage .query .outline")).to_be_visible(timeout=WAIT)
    expect(page.locator("[aria-busy]")).to_have_count(0)
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    if screen is PHONE:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        verdict = page.get_by_role("button", name=re.compile("Confirm")).bounding_box()
        assert verdict["y"] + verdict["height"] <= 844  # without scrolling
