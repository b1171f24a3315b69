"""The example of a cluster page in docs: crops of free photographs, put into clusters by the default bundle.

A dozen photographs of ``make example`` (public domain or CC0), six square crops of each, half of the area at most;
``copysight evaluate clusters`` puts them together again without knowing which is which. Writes OUT/crops.html, and
OUT/clusters.jpg, the page as chromium shows it.

    make example
    python -m benchmarks.cluster_page var/pictures OUT
"""

import sys
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import sync_playwright

from evaluation.labels.clusters import clusters

NAMES = (
    *("astronaut", "brick", "camera", "chelsea", "coffee", "coins"),
    *("grass", "gravel", "hubble_deep_field", "moon", "retina", "rocket"),
)
CROPS, SIDE, SEED = 6, 160, 0


def main(pictures: Path, out: Path) -> None:
    """Cut, cluster, show."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "crops"
        cut(pictures, root)
        words = ["default", str(root), "--html", str(out)]
        print(CliRunner().invoke(clusters, words, catch_exceptions=False).stdout)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 780, "height": 700})
        page.goto((out / "crops.html").resolve().as_uri())
        shot = Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")
        browser.close()
    small = shot.resize((shot.width * 4 // 5, shot.height * 4 // 5), Image.Resampling.LANCZOS)
    small.save(out / "clusters.jpg", quality=70, optimize=True)


def cut(pictures: Path, root: Path) -> None:
    """Square crops of .2 to .5 of each photograph's area, in the layout of a labelled set."""
    rng = np.random.default_rng(SEED)
    for name in NAMES:
        (file,) = pictures.glob(f"{name}.*")
        with Image.open(file) as opened:
            whole = opened.convert("RGB")
        for number in range(CROPS):
            side = int(np.sqrt(whole.width * whole.height * rng.uniform(0.2, 0.5)))
            side = min(side, whole.width, whole.height)
            left, top = (int(rng.integers(edge - side + 1)) for edge in whole.size)
            folder = root / ("train" if number % 2 else "val") / name
            folder.mkdir(parents=True, exist_ok=True)
            crop = whole.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))
            crop.save(folder / f"{number}.jpg", quality=90)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
