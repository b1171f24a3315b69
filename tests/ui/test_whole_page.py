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
SENT = """() => Object.fromEntries(
    [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .map((one) => [one.name, one.transferSize]))"""
LOOKS = {"desk": {}, "phone": PHONE, "dark": {"color_scheme": "dark"}}


def ready(page, view):
    page.locator(READY.get(view, "h1")).first.wait_for()
    expect(page.locator("[aria-busy]")).to_have_count(0)
    return page


def serious(page):
    """What axe-core finds that keeps people out."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("view", VIEWS)
def test_no_serious_finding_of_axe(shared, open_page, view, look):
    page = ready(open_page(shared, view, bypass_csp=True, **LOOKS[look]), view)
    assert serious(page) == []


@pytest.mark.parametrize("look", LOOKS)
def test_verdicts_and_the_comparison_can_be_read_by_all(judged, open_page, jpeg, drawn, look):
    page = ready(open_page(judged, "search", bypass_csp=True, **LOOKS[look]), "search")
    edited = drawn(5).crop((6, 4, 154, 116))
    names = {"known.jpg": drawn(5), "edited.jpg": edited, "new.jpg": drawn(905)}
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "image/jpeg", "buffer": jpeg(picture)} for name, picture in names.items()]
    )
    expect(page.locator(".answer .card[data-verdict=exact]")).to_be_visible()
    expect(page.locator(".answer[aria-busy]")).to_have_count(0)
    assert serious(page) == []
    page.locator(".answer .card").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert serious(page) == []


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


def test_the_first_view_travels_small_and_its_pictures_are_kept(shared, open_page):
    page = ready(open_page(shared, "search"), "search")
    page.locator(".examples img").last.wait_for()
    page.wait_for_load_state("networkidle")
    sent = page.evaluate(SENT)
    pictures = {url: bytes_ for url, bytes_ in sent.items() if "thumbnail" in url}
    assert len(pictures) == 6
    assert 10_000 < sum(sent.values()) - sum(pictures.values()) < 150_000
    page.reload()
    page.locator(".examples img").last.wait_for()
    page.wait_for_load_state("networkidle")
    again = page.evaluate(SENT)
    assert {url: again[url] for url in pictures} == dict.fromkeys(pictures, 0)  # from the browser's cache
