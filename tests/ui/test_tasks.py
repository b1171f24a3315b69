"""Five tasks of the guides by keyboard alone, with the number of keys: find, confirm, clean up, name, roll back."""

import shutil
import time

import pytest
from playwright.sync_api import expect

from copysight.index import Index
from index_builder.build import Plan, build
from index_builder.progress import Progress
from index_builder.stages.publishing import rebuild
from tests.conftest import encoded
from tests.index_builder.dedupe.test_command import photograph
from tests.service.conftest import serving
from tests.ui.conftest import PICTURES

GROUPS = 20
SEARCH = 120_000


class Keyboard:
    """Press keys and count them. A key with Shift or another modifier is one."""

    def __init__(self, page, task):
        self.page, self.task, self.count, self.began = page, task, 0, time.monotonic()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)
            self.count += 1

    def type(self, text):
        self.press(*text)

    def done(self, most):
        print(f"{self.task}: {self.count} keys, {time.monotonic() - self.began:.1f} s")
        assert self.count <= most


@pytest.fixture(scope="module")
def doubled(tmp_path_factory):
    """A server on twenty pictures that are there twice."""
    pictures, directory = tmp_path_factory.mktemp("doubled"), tmp_path_factory.mktemp("doubled-index") / "index"
    (pictures / "again").mkdir()
    for number in range(GROUPS):
        for name in (f"{number:02}.jpg", f"again/{number:02}.jpg"):
            (pictures / name).write_bytes(encoded(photograph(number)))
    build(Plan(pictures, directory, bundle="default", threads=1, publish=False), Progress())
    with serving(directory) as server:
        yield server


def test_find_a_copy_and_confirm_it(changing, open_page, folder):
    page = open_page(changing)
    expect(page.locator(".welcome")).to_be_visible()
    keyboard = Keyboard(page, "find a copy")
    with page.expect_file_chooser() as chooser:
        keyboard.press("o")
    chooser.value.set_files(folder / "copy.jpg")
    expect(page.locator(".answer .card").first).to_contain_text("picture-03.jpg")
    keyboard.done(1)
    expect(page.locator(".answer .card").first).to_be_focused()
    keyboard = Keyboard(page, "confirm it")
    keyboard.press("Enter", "y")
    expect(page.get_by_role("dialog")).to_contain_text("Confirmed: it is a copy.")
    [made] = changing.http.get("/decisions").json()["decisions"]
    assert made["decision"] == "confirm"
    keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    keyboard.done(3)


def test_resolve_twenty_groups_of_duplicates(doubled, open_page):
    page = open_page(doubled)
    expect(page.locator(".welcome")).to_be_visible()
    keyboard = Keyboard(page, "resolve 20 groups of duplicates")
    keyboard.press("g", "d")
    expect(page.get_by_role("button", name="Find the copies")).to_be_visible()
    keyboard.press("f")
    summary = page.get_by_role("status").filter(has_text="with")
    for left in range(GROUPS, 0, -1):
        expect(summary).to_contain_text(f"{left} group", timeout=SEARCH)
        keyboard.press("k")
    expect(page.get_by_text("There are no copies to decide about.")).to_be_visible()
    keyboard.done(3 + GROUPS)
    assert len(doubled.http.get("/images").json()["items"]) == GROUPS


def test_name_a_cluster(changing, open_page):
    page = open_page(changing)
    expect(page.locator(".welcome")).to_be_visible()
    keyboard = Keyboard(page, "name a cluster")
    keyboard.press("g", "l")
    expect(page.locator(".heap").first).to_be_visible()
    keyboard.press("ArrowDown", "Enter")
    expect(page.locator("input[name=name]")).to_be_visible()
    keyboard.press("n")
    keyboard.type("shapes")
    keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("shapes")
    keyboard.done(6 + len("shapes"))
    assert "shapes" in [one["name"] for one in changing.http.get("/clusters").json()["clusters"]]


def test_roll_back(tmp_path, built, open_page):
    shutil.copytree(built, tmp_path / "index")
    with Index.open(tmp_path / "index") as index:
        rebuild(index, 1, Progress())
    with serving(tmp_path / "index") as server:
        page = open_page(server)
        expect(page.locator(".welcome")).to_contain_text(f"{PICTURES}")
        live = server.http.get("/index").json()["generation"]
        keyboard = Keyboard(page, "roll back")
        keyboard.press("g", "a")
        expect(page.get_by_role("button", name="Roll back to this one")).to_be_visible()
        expect(page.locator("[aria-busy]")).to_have_count(0)
        keyboard.press("Tab", "Enter", "Tab", "Enter")
        expect(page.locator("#notice")).to_contain_text("is live again")
        assert server.http.get("/index").json()["generation"] < live
        keyboard.done(6)
