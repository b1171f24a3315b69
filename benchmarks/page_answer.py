"""Time from a dropped file to its answer on the web page, in Chromium, and how much of it is not the model.

    python -m benchmarks.page_answer INDEX PICTURE [--repeats 30]

A server runs on a copy of INDEX. PICTURE is dropped on the Search view again and again, each time with other bytes, so
that no answer is remembered. The clock starts with the drop event and stops when the frame with the verdict is
painted. Between the drops the same bytes go to `POST /search` and to `POST /embed`, which is decoding and the model.
The search depth is that of the whole picture, so that all three run the model once. The last lines are differences of
medians and of the least times, which other work on the machine changes less.
"""

import argparse
import base64
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from benchmarks.screenshots import serving

DROPPED, SEARCH, EMBED = "drop to verdict", "POST /search?effort=low&k=20", "POST /embed"
DROP = """([text, number]) => new Promise((answered) => {
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes, `${number}`], `query-${number}.jpg`, { type: "image/jpeg" }));
    const began = performance.now();
    const watch = new MutationObserver(() => {
        if (!document.querySelector(".answer:not([data-waiting]) .verdict")) return;
        watch.disconnect();
        requestAnimationFrame(() => setTimeout(() => answered(performance.now() - began)));
    });
    watch.observe(document.querySelector(".results"), { childList: true, subtree: true, attributes: true });
    document.querySelector(".dropzone").dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true }));
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shutil.copytree(options.index, Path(folder) / "index")
        with serving(Path(folder) / "index") as address, httpx.Client(base_url=address, timeout=60) as http:
            chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = chromium.new_page(viewport={"width": 1280, "height": 860})
            page.goto(f"{address}/#/search?effort=low")
            page.locator(".welcome").wait_for()
            times = measured(page, http, options.picture.read_bytes(), options.repeats)
            chromium.close()
    for name, each in times.items():
        low, middle, high = statistics.quantiles(each, n=4)
        print(f"{name:28} {middle:6.0f} ms (least {min(each):.0f}, quartiles {low:.0f} and {high:.0f})")
    for kind, of in (("medians", statistics.median), ("least times", min)):
        dropped, search, embed = (of(times[name]) for name in (DROPPED, SEARCH, EMBED))
        print(
            f"{kind}: the page adds {dropped - search:.0f} ms to the search; beyond the model {dropped - embed:.0f} ms"
        )


def measured(page: Page, http: httpx.Client, picture: bytes, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each drop, search and embedding; the first of each is left out."""
    text = base64.b64encode(picture).decode()
    times: dict[str, list[float]] = {DROPPED: [], SEARCH: [], EMBED: []}
    for number in range(repeats + 1):
        times[DROPPED].append(float(page.evaluate(DROP, [text, number])))
        page.locator(".query button[title=Remove]").click()
        page.locator(".welcome").wait_for()
        for call in (SEARCH, EMBED):
            began = time.perf_counter()
            http.post(call.split()[1], files={"file": picture + str(number).encode()}).raise_for_status()
            times[call].append(1000 * (time.perf_counter() - began))
    return {name: each[1:] for name, each in times.items()}


if __name__ == "__main__":
    main()
