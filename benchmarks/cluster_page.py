"""Make the example cluster page of the documentation: crops of photographs, clustered by the default bundle.

Takes twelve photographs of ``make example`` (public domain or CC0) and cuts six square crops of each, of at most half
the area. ``copysight evaluate clusters`` then groups the crops without labels. Writes OUT/crops.html and
OUT/clusters.jpg, a screenshot of that page by Chromium.

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
    """Cut the crops, cluster them and take the screenshot."""
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
    """Write square crops of 0.2 to 0.5 of the area of each photograph as a labelled set."""
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
