"""Time from a dropped file to its answer on the web page, in Chromium, and how much of it is not the model.

    python -m benchmarks.page_answer INDEX PICTURE [--repeats 30]

A server runs on a copy of INDEX. PICTURE is dropped on the Search view again and again, each time with other bytes, so
that no answer is remembered. The clock starts with the drop event and stops when the frame with the verdict is
painted. Between the drops, the same bytes go to `POST /embed`, whose time is that of decoding and the model. The last
line is the median of the whole minus that median: uploading, searching, verification, and the page itself.
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
            page.goto(f"{address}/#/search")
            page.locator(".welcome").wait_for()
            whole, model = measured(page, http, options.picture.read_bytes(), options.repeats)
            chromium.close()
    report("drop to verdict", whole)
    report("POST /embed", model)
    print(f"beyond the model: {statistics.median(whole) - statistics.median(model):.0f} ms (median of each)")


def measured(page: Page, http: httpx.Client, picture: bytes, repeats: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each drop, and of each embedding; the first of both is left out."""
    text = base64.b64encode(picture).decode()
    whole, model = [], []
    for number in range(repeats + 1):
        whole.append(float(page.evaluate(DROP, [text, number])))
        page.locator(".query button[title=Remove]").click()
        page.locator(".welcome").wait_for()
        began = time.perf_counter()
        http.post("/embed", files={"file": picture + str(number).encode()}).raise_for_status()
        model.append(1000 * (time.perf_counter() - began))
    return whole[1:], model[1:]


def report(name: str, times: list[float]) -> None:
    """Print the quartiles of some times."""
    low, middle, high = statistics.quantiles(times, n=4)
    print(f"{name:16} {middle:6.0f} ms (quartiles {low:.0f} and {high:.0f})")


if __name__ == "__main__":
    main()
