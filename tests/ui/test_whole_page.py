"""Properties of every view: accessibility, phone, dark mode, keyboard, size, caching."""

import gzip
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from service.routes.page import FOLDER

VIEWS = (
    "search",
    "search?id=1",
    "attention?id=1",
    "clusters",
    "clusters?id=0",
    "map",
    "duplicates",
    "reviews",
    "collection",
    "admin",
    "nowhere",
)
READY = {"search?id=1": ".answer .card", "attention?id=1": "canvas", "clusters": ".heap", "collection": ".card"}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SENT = """() => Object.fromEntries(
    [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
        .map((one) => [one.name, one.transferSize]))"""
SCREENS = {"desk": {}, "phone": PHONE, "dark": {"color_scheme": "dark"}}


def ready(page, view):
    page.locator(READY.get(view, "h1")).first.wait_for()
    expect(page.locator("[aria-busy]")).to_have_count(0)
    return page


def serious(page):
    """The serious and critical findings of axe-core."""
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_accessible(shared, open_page, view, screen):
    page = ready(open_page(shared, view, bypass_csp=True, **SCREENS[screen]), view)
    assert serious(page) == []


@pytest.mark.parametrize("screen", SCREENS)
def test_verdicts_and_the_comparison_are_accessible(judged, open_page, jpeg, drawn, screen):
    page = ready(open_page(judged, "search", bypass_csp=True, **SCREENS[screen]), "search")
    edited = drawn(5).crop((6, 4, 154, 116))
    names = {"known.jpg": drawn(5), "edited.jpg": edited, "new.jpg": drawn(905)}
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "image/jpeg", "buffer": jpeg(picture)} for name, picture in names.items()]
    )
    expect(page.locator(".summary")).to_contain_text(re.compile("^3 pictures: [12] found(?!.*searching)"))
    assert serious(page) == []
    page.locator(".row .open", has_text="known.jpg").click()
    expect(page.locator(".answer .card[data-verdict=exact]")).to_be_visible()
    page.locator(".neighbours summary").click()
    assert serious(page) == []
    page.locator(".answer .card").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert serious(page) == []


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_fits_a_phone(shared, open_page, view):
    page = ready(open_page(shared, view, **PHONE), view)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if view != "nowhere":
        expect(page.locator("nav [aria-current]")).to_be_in_viewport(ratio=1)


def test_dark_mode_is_dark(shared, open_page):
    grounds = []
    for scheme in ("light", "dark"):
        page = open_page(shared, color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        grounds.append(sum(map(int, re.findall(r"\d+", colour)[:3])))
    assert grounds[1] < 200 < 600 < grounds[0]


def test_every_view_can_be_reached_by_keyboard(shared, open_page):
    page = open_page(shared)
    expect(page.locator("h1")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    for name in ("Search", "Duplicates", "Reviews", "Collection", "Clusters", "Map", "Attention", "Admin"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name, exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Index and server")


def test_a_view_is_two_keys_away(shared, open_page):
    page = open_page(shared)
    expect(page.locator("h1")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("g d")
    page.keyboard.press("Escape")
    for letter, heading in (("c", "The collection"), ("d", "Which pictures are copies?"), ("s", "Have we seen")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page.locator("h1")).to_contain_text(heading)
    with page.expect_file_chooser():
        page.keyboard.press("o")


def test_commands_go_to_views_press_buttons_and_find_pictures(shared, open_page):
    page = open_page(shared, "clusters?id=0")
    expect(page.locator(".card img").first).to_be_visible()
    field = page.get_by_role("combobox", name="Command")
    page.keyboard.press("Control+k")
    expect(field).to_be_focused()
    page.keyboard.type("adm")
    expect(page.get_by_role("option", selected=True)).to_have_text("Adming a")  # the title and its keys
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("option", selected=True)).to_have_text("Find “adm” in the collection")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Index and server")
    page.keyboard.press("Meta+k")
    page.keyboard.type("picture-07")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator(".card")).to_contain_text("picture-07.jpg")
    page.locator(".pick").check()
    page.keyboard.press("Control+k")
    page.keyboard.type("select nothing")
    page.keyboard.press("Enter")
    expect(page.locator(".pick")).not_to_be_checked()
    page.locator("input[name=text]").focus()
    page.keyboard.press("Control+k")
    expect(field).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("input[name=text]")).to_be_focused()


def test_the_skip_link_goes_to_the_content_and_stays_in_the_view(shared, open_page):
    page = open_page(shared, "collection")
    expect(page.locator(".card").first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#view")).to_be_focused()
    expect(page.locator("h1")).to_have_text("The collection")


def test_an_unknown_address_says_so(shared, open_page):
    page = open_page(shared, "serach?id=1")
    expect(page.locator("h1")).to_have_text("There is nothing at this address")
    expect(page.locator(".view")).to_contain_text("serach")
    page.locator(".view").get_by_role("link", name="Search").click()
    expect(page.locator("h1")).to_have_text("Have we seen this picture before?")


def test_the_files_of_the_page_are_small():
    sizes = {
        file.relative_to(FOLDER).as_posix(): len(gzip.compress(file.read_bytes()))
        for file in FOLDER.rglob("*")
        if file.is_file()
    }
    assert {"index.html", "page.js", "page.css"} <= set(sizes)
    assert sum(sizes.values()) < 150_000


def test_files_are_compressed_and_have_etags_and_a_content_security_policy(shared):
    answer = shared.http.get("/", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert shared.http.get("/", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert shared.http.get("/ui/page.js").headers["content-type"].startswith("text/javascript")
    for path in ("/ui/nothing.js", "/ui/..%2Fapp.py", "/ui/../app.py"):
        assert shared.http.get(path).status_code == 404


def test_the_first_view_transfers_little_and_thumbnails_are_cached(shared, open_page):
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
