"""Frames and main-thread time of long pages in Chromium: the report, and the Duplicates, Map and Collection views.

    python -m benchmarks.page_smoothness FOLDER [--groups 10000] [--points 100000] [--seed 0]

FOLDER gets an index of made items: 50 drawn thumbnails, vectors and places on the map at random, a finished search with
``groups`` groups of two to five copies, and the HTML report of the same groups. A script scrolls, turns pages, drags,
zooms, draws a lasso, and searches and sorts by name. For each step it prints the longest and the 95th percentile of
the times between frames, and the processor time of the page's main thread for a frame, which other work on the machine
changes less.
"""

import argparse
import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import CDPSession, Page, sync_playwright

from benchmarks.screenshots import serving
from copysight.catalog import NewItem
from copysight.curation import flat_map
from copysight.curation.flat_map import FlatMap
from copysight.duplicates import keep
from copysight.duplicates.answer import Answer
from copysight.duplicates.groups import Group, Member
from copysight.duplicates.pair import Pair
from copysight.duplicates.picture import Picture
from copysight.duplicates.report import Report
from copysight.duplicates.review import result
from copysight.duplicates.review.result import Result
from copysight.index import Index

DRAWN, PART, PATIENCE = 50, 5000, 180_000
WATCH = """() => { window.frames_ = []; let last = performance.now();
const next = (now) => { window.frames_.push(now - last); last = now; requestAnimationFrame(next); };
requestAnimationFrame(next); }"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--groups", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if not options.folder.exists():
        make(options.folder, options.groups, options.points, np.random.default_rng(options.seed))
    with (
        serving(options.folder / "index", COPYSIGHT_REBUILD_WHEN_DUE="false") as address,
        sync_playwright() as playwright,
    ):
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        print(f"{'step':34} opened s  frames  longest ms  95 % ms  main thread ms a frame")
        measure(page, session, "report", (options.folder / "report.html").as_uri(), "section", turn)
        measure(page, session, "Duplicates view", f"{address}/#/duplicates", ".group", scroll)
        page.screenshot(path=options.folder / "duplicates.png")
        measure(page, session, "Map view: drag, zoom, lasso", f"{address}/#/map", "canvas", look)
        page.screenshot(path=options.folder / "map.png")
        measure(page, session, "Collection view: scroll", f"{address}/#/collection", ".card img", scroll)
        measure(page, session, "Collection view: jump, sort, name", f"{address}/#/collection", ".card img", choose)
        page.goto((options.folder / "report.html").as_uri())
        page.screenshot(path=options.folder / "report.png")
        chromium.close()


def make(folder: Path, groups: int, points: int, rng: np.random.Generator) -> None:
    """Write the index with its map and its duplicates, and the report."""
    folder.mkdir(parents=True)
    pictures = [
        Image.effect_mandelbrot((320, 240), (-2 + n / DRAWN, -1, 1, 1), 60).convert("RGB") for n in range(DRAWN)
    ]
    sha256s = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(DRAWN)]
    with Index.create(folder / "index", "default", policy="discard") as index:
        for sha256, picture in zip(sha256s, pictures, strict=True):
            index.blobs.put_thumbnail(sha256, picture)
        for start in range(0, points, PART):
            vectors = rng.standard_normal((min(PART, points - start), index.bundle.dimension))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            rows = enumerate(vectors.astype(np.float32), start)
            new = [NewItem(f"{n % 40:02}/{n:06}.jpg", sha256s[n % DRAWN], 320, 240, row) for n, row in rows]
            index.catalog.add(new, model=index.bundle.id)
        ids = np.sort([item.id for item in index.catalog.page(limit=points)])
        places = rng.normal(0, 0.3, (points, 2)).clip(-1, 1).astype(np.float32)
        flat_map.write(index.directory, FlatMap(ids, places))
        found, pairs = grouped(groups, rng)
        shown = tuple(Picture(f"{n % 40:02}/{n:06}.jpg", sha256s[n % DRAWN], 320, 240, 90_000) for n in range(points))
        numbers = range(1 + max(pair.other for pair in pairs))
        result.write(
            index.layout.duplicates,
            Result(
                None, time.time(), None, 0, index.bundle.id, 0.5, points, tuple(ids[numbers].tolist()),
                shown[: len(numbers)], tuple(pairs),
            ),
        )  # fmt: skip
    answer = Answer(tuple(found), dict(enumerate(shown)), keep.parse(keep.DEFAULT), ())
    Report(answer, lambda number: pictures[number % DRAWN]).write(folder / "report.html")


def grouped(count: int, rng: np.random.Generator) -> tuple[list[Group], list[Pair]]:
    """Groups of consecutive numbers, and their pairs."""
    groups, pairs, at = [], [], 0
    for copies in rng.integers(1, 5, count).tolist():
        probabilities = np.sort(rng.uniform(0.9, 1, copies))[::-1].round(4).tolist()
        others = range(at + 1, at + 1 + copies)
        groups.append(Group(at, tuple(Member(n, p, "edited") for n, p in zip(others, probabilities, strict=True))))
        pairs += [Pair(at, n, p, "edited") for n, p in zip(others, probabilities, strict=True)]
        at += 1 + copies
    return groups, pairs


def measure(page: Page, session: CDPSession, name: str, address: str, ready: str, act: Callable[[Page], None]) -> None:
    """Open an address, wait for an element, do something, and print what it took."""
    began = time.monotonic()
    page.goto("about:blank")
    page.goto(address, timeout=PATIENCE)
    page.locator(ready).first.wait_for(timeout=PATIENCE)
    opened = time.monotonic() - began
    page.wait_for_timeout(1000)
    page.evaluate(WATCH)
    before = busy(session)
    act(page)
    frames = np.array(page.evaluate("window.frames_"))
    used = 1000 * (busy(session) - before) / len(frames)
    longest, most = frames.max(), np.quantile(frames, 0.95)
    print(f"{name:34} {opened:8.1f}  {len(frames):6}  {longest:10.0f}  {most:7.0f}  {used:22.1f}", flush=True)


def busy(session: CDPSession) -> float:
    """Seconds of processor time that the main thread has used for tasks."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def turn(page: Page) -> None:
    """Scroll through pages of the report, and filter."""
    for _ in range(20):
        for _ in range(5):
            page.mouse.wheel(0, 500)
            page.wait_for_timeout(16)
        page.keyboard.press("ArrowRight")
    page.locator("#text").fill("07/")
    page.wait_for_timeout(200)


def scroll(page: Page) -> None:
    """Scroll through the groups as fast as they load."""
    page.mouse.move(600, 600)
    for _ in range(400):
        page.mouse.wheel(0, 600)
        page.wait_for_timeout(16)


def look(page: Page) -> None:
    """Drag the map, zoom in and out, and draw a lasso."""
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 200, y + 100, steps=60)
    page.mouse.up()
    for step in range(60):
        page.mouse.wheel(0, -30 if step < 30 else 30)
        page.wait_for_timeout(16)
    page.keyboard.press("0")
    page.keyboard.press("l")
    page.mouse.move(x - 150, y - 150)
    page.mouse.down()
    for right, down in ((150, -150), (150, 150), (-150, 150)):
        page.mouse.move(x + right, y + down, steps=20)
    page.mouse.up()
    page.wait_for_timeout(300)


def choose(page: Page) -> None:
    """Jump through all items, sort them, and find some by name."""
    for part in range(20):
        page.evaluate("part => scrollTo(0, part * document.body.scrollHeight)", part / 20)
        page.wait_for_timeout(200)
    page.locator("select[name=order]").select_option("name")
    page.wait_for_timeout(1000)
    page.locator("input[name=text]").press_sequentially("07/09", delay=80)
    page.wait_for_timeout(1500)


if __name__ == "__main__":
    main()
