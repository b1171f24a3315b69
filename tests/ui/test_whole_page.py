"""What holds for every view: small, accessible, on a phone, in the dark, and smooth with thousands of pictures."""

import gzip
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from service.routes.page import FOLDER

VIEWS = ("search", "search?id=1", "attention?id=1", "clusters", "clusters?id=0", "collection")
READY = {"search?id=1": ".answer .card", "attention?id=1": "canvas", "clusters": ".heap", "collection": ".card"}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
LOOKS = {"desk": {}, "phone": PHONE, "dark": {"color_scheme": "dark"}}


def ready(page, view):
    page.locator(READY.get(view, "h1")).first.wait_for()
    return page


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("view", VIEWS)
def test_no_serious_finding_of_axe(shared, open_page, view, look):
    page = ready(open_page(shared, view, bypass_csp=True, **LOOKS[look]), view)
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_sticks_out_of_a_phone(shared, open_page, view):
    page = ready(open_page(shared, view, **PHONE), view)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_dark_mode_is_dark(shared, open_page):
    grounds = []
    for scheme in ("light", "dark"):
        page = open_page(shared, color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        grounds.append(sum(map(int, re.findall(r"\d+", colour)[:3])))
    assert grounds[1] < 200 < 600 < grounds[0]


def test_every_view_is_reached_by_keyboard(shared, open_page):
    page = open_page(shared)
    expect(page.locator("h1")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for name in ("Search", "Attention", "Clusters", "Collection"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("The collection")


def test_the_first_view_is_small():
    sizes = {file.name: len(gzip.compress(file.read_bytes())) for file in FOLDER.iterdir()}
    assert {"index.html", "page.js", "page.css"} <= set(sizes)
    assert sum(sizes.values()) < 150_000


def test_files_are_compressed_tagged_and_guarded(shared):
    answer = shared.http.get("/", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert shared.http.get("/", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert shared.http.get("/ui/page.js").headers["content-type"].startswith("text/javascript")
    for path in ("/ui/nothing.js", "/ui/..%2Fapp.py", "/ui/../app.py"):
        assert shared.http.get(path).status_code == 404


def test_ten_thousand_tiles_stay_few(shared, open_page):
    """The list that clusters and results use: of 10,000 tiles a few dozen exist, wherever the screen is."""
    page = open_page(shared, "clusters")
    expect(page.locator(".heap").first).to_be_visible()
    page.evaluate(
        """async () => {
            const { Windowed } = await import("/ui/windowed.js");
            const tile = (number) => Object.assign(document.createElement("p"), {textContent: `tile ${number}`});
            const grid = new Windowed({width: 150, height: 190, tile});
            document.getElementById("view").replaceChildren(grid.element);
            grid.show(10000);
        }"""
    )
    expect(page.get_by_text("tile 0", exact=True)).to_be_visible()
    assert 10 < page.locator(".cell").count() < 200
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.get_by_text("tile 9999", exact=True)).to_be_visible()
    assert 10 < page.locator(".cell").count() < 200
    longest = page.evaluate(
        """() => new Promise((resolve) => {
            let last = performance.now(), longest = 0, frames = 0;
            const frame = (now) => {
                longest = Math.max(longest, now - last);
                last = now;
                scrollBy(0, -700);
                frames += 1;
                frames < 60 ? requestAnimationFrame(frame) : resolve(longest);
            };
            requestAnimationFrame(frame);
        })"""
    )
    assert longest < 1000  # a frozen page, not a slow machine
