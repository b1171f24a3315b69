"""Fixtures: a small labelled set and a small video with masks, both drawn."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageDraw

from cli.main import main

CLASSES = {"blue": (20, 40, 200), "green": (20, 180, 40), "red": (210, 30, 30)}


@pytest.fixture
def copysight() -> Callable[..., Result]:
    """Run the command line as a user does."""
    return lambda *arguments: CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def labelled_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes that differ in colour only, with 8 training and 4 validation pictures each."""
    root = tmp_path_factory.mktemp("data") / "shades"
    rng = np.random.default_rng(0)
    for name, colour in CLASSES.items():
        for split, count in (("train", 8), ("val", 4)):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                noise = rng.integers(-15, 16, (48, 48, 3))
                pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def davis_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One sequence of five frames: a disk that moves over a plain background."""
    root = tmp_path_factory.mktemp("davis")
    frames, masks = (root / kind / "480p" / "disk" for kind in ("JPEGImages", "Annotations"))
    frames.mkdir(parents=True)
    masks.mkdir(parents=True)
    for number in range(5):
        picture, mask = Image.new("RGB", (128, 64), (60, 60, 70)), Image.new("P", (128, 64))
        mask.putpalette([0, 0, 0, 200, 0, 0])
        box = (10 + 18 * number, 14, 46 + 18 * number, 50)
        ImageDraw.Draw(picture).ellipse(box, fill=(240, 200, 30))
        ImageDraw.Draw(mask).ellipse(box, fill=1)
        picture.save(frames / f"{number:05}.jpg", quality=95)
        mask.save(masks / f"{number:05}.png")
    return root
