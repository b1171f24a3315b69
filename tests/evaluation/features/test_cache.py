"""The cache of features."""

from PIL import Image

from evaluation.features import extract
from evaluation.features.cache import cached
from evaluation.features.extract import Extractor


def test_features_of_a_picture_are_computed_once(drawn):
    calls = []

    def embed(picture):
        calls.append(picture.size)
        return extract.pixels(picture)

    extractor = cached(Extractor("pixels", 32, embed))
    pictures = [drawn(0), drawn(1), drawn(0), Image.new("RGB", (6, 4)), Image.new("RGB", (4, 6))]
    assert all((extractor.embed(picture) == extract.pixels(picture)).all() for picture in pictures)
    assert len(calls) == 4
