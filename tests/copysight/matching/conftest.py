import numpy as np
import pytest
from PIL import Image, ImageDraw


def textured_picture(seed, size):
    """A picture of many shapes over coarse noise, as rich in corners as a photograph."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (size // 16, size // 16, 3), dtype=np.uint8))
    picture = coarse.resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(120):
        x, y = rng.integers(0, size, 2).tolist()
        w, h = rng.integers(size // 60, size // 8, 2).tolist()
        colour = tuple(rng.integers(0, 256, 3).tolist())
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x - w, y - h, x + w, y + h), fill=colour)
    return picture


@pytest.fixture(scope="session")
def textured():
    return textured_picture
