"""Fixtures: a real browser, and real servers on indexes of drawn pictures."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect, sync_playwright

from copysight.catalog import NewItem
from copysight.index import Index
from index_builder.build import Plan, build
from index_builder.progress import Progress
from index_builder.stages.publishing import rebuild
from tests.service.conftest import Server, serving

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PICTURES = 24
ALBUMS = 4
ENOUGH = 120
MANY, SEVERAL = 10_000, 150
PATIENCE = 30_000
"""Time limit in milliseconds of every page action, long because these tests share the machine with others."""
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Without one these tests are skipped by name; where CI runs them, they fail.

    Of a module, because Playwright keeps an event loop running in this thread, and tests of other modules, which the
    same process may run next, start one of their own.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        message = f"no browser: install one of {', '.join(BROWSERS)} (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def folder(tmp_path_factory, drawn, jpeg) -> Path:
    """Drawn pictures, and query pictures: a copy, a new one, a screen that contains one, a broken file."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "known").mkdir()
    for seed in range(PICTURES):
        (folder / "known" / f"picture-{seed:02}.jpg").write_bytes(jpeg(drawn(seed, (320, 240))))
    (folder / "copy.jpg").write_bytes(jpeg(drawn(3, (320, 240)).resize((240, 180)), quality=70))
    (folder / "new.jpg").write_bytes(jpeg(drawn(900, (320, 240))))
    screen = Image.new("RGB", (500, 700), (244, 245, 247))
    ImageDraw.Draw(screen).rectangle((30, 60, 300, 80), fill=(120, 120, 120))
    screen.paste(drawn(3, (320, 240)), (90, 200))
    (folder / "screen.jpg").write_bytes(jpeg(screen))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no picture")
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory, folder, tiny_bundle) -> Path:
    """An index of the pictures, with the filterable field `album`: a picture's number modulo 4."""
    directory = tmp_path_factory.mktemp("page-index") / "index"
    build(Plan(folder / "known", directory, bundle=str(tiny_bundle.path), threads=1), Progress())
    with Index.open(directory) as index:
        index.catalog.fields.declare("album")
        for item in index.catalog.page(limit=PICTURES):
            index.catalog.set_metadata(item.id, {"album": int(item.key[8:10]) % ALBUMS})
    return directory


@pytest.fixture(scope="session")
def judged(tmp_path_factory, tiny_bundle, drawn, jpeg) -> Iterator[Server]:
    """A server on an index of enough pictures to be calibrated, so that matches have probabilities."""
    pictures, directory = tmp_path_factory.mktemp("enough"), tmp_path_factory.mktemp("judged") / "index"
    for seed in range(ENOUGH):
        (pictures / f"picture-{seed:03}.jpg").write_bytes(jpeg(drawn(seed)))
    build(Plan(pictures, directory, bundle=str(tiny_bundle.path), threads=1), Progress())
    with serving(directory) as server:
        yield server


@pytest.fixture(scope="session")
def large(tmp_path_factory, built) -> Iterator[Server]:
    """A server on one cluster of ten thousand items: the pictures, again and again."""
    with serving(repeated(built, tmp_path_factory.mktemp("large") / "index", MANY)) as server:
        yield server


@pytest.fixture
def several(tmp_path, built) -> Iterator[Server]:
    """A server on enough items for a calibration, whose rebuild takes some seconds."""
    with serving(repeated(built, tmp_path / "index", SEVERAL)) as server:
        yield server


def repeated(built: Path, directory: Path, count: int) -> Path:
    """A copy of the index with ``count`` items in one cluster."""
    shutil.copytree(built, directory)
    with Index.open(directory) as index:
        known = index.catalog.page(limit=PICTURES)
        again = (known[number % PICTURES] for number in range(count - PICTURES))
        new = (NewItem(f"many/{n:05}.jpg", one.sha256, one.width, one.height, None) for n, one in enumerate(again))
        index.catalog.add(new, model=index.catalog.model())
        rebuild(index, 1, Progress())
    return directory


@pytest.fixture(scope="session")
def shared(built) -> Iterator[Server]:
    """One server for all tests that do not change the collection."""
    with serving(built) as server:
        yield server


@pytest.fixture
def changing(tmp_path, built) -> Iterator[Server]:
    """A server on a copy of the index, for a test that changes the collection."""
    shutil.copytree(built, tmp_path / "index")
    with serving(tmp_path / "index") as server:
        yield server


@pytest.fixture
def open_page(browser) -> Iterator[Open]:
    """Opens a server's page. The test fails if the page logs an error or loads anything from another site."""
    contexts, faults = [], []

    def opened(server: Server, view: str = "search", **options: object) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda entry: faults.append(entry.text) if "Content Security Policy" in entry.text else None)
        page.on("filechooser", lambda _: None)  # turned on with the key press, the interception may come too late
        page.on("request", lambda one: one.url.startswith((server.url, "blob:", "data:")) or faults.append(one.url))
        page.goto(f"{server.url}/#/{view}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not faults
