"""Features that are computed once."""

from PIL import Image

from evaluation.features import extract
from evaluation.features.cache import remembering
from evaluation.features.extract import Extractor


def test_a_picture_is_described_once(drawn):
    seen = []

    def of(picture):
        seen.append(picture.size)
        return extract.pixels(picture)

    how = remembering(Extractor("pixels", 32, of))
    pictures = [drawn(0), drawn(1), drawn(0), Image.new("RGB", (6, 4)), Image.new("RGB", (4, 6))]
    assert all((how.of(picture) == extract.pixels(picture)).all() for picture in pictures)
    assert len(seen) == 4
