"""Pages of one template share their print, differ in what fills it, and are the same every time."""

import numpy as np
import pytest
from PIL import Image

from evaluation.regions.drawn_pages import TEMPLATES, page


def same(one, other):
    """Share of equal pixels."""
    return (np.asarray(one) == np.asarray(other)).all(axis=-1).mean()


def test_there_are_eight_templates():
    assert len(TEMPLATES) == 8


@pytest.mark.parametrize("template", TEMPLATES)
def test_pages_share_their_print_and_differ_in_what_fills_it(template):
    pages = [page(template, number) for number in range(4)]
    assert same(pages[0], page(template, 0)) == 1
    for other in pages[1:]:
        assert other.size == pages[0].size
        assert 0.4 < same(pages[0], other) < 0.999


@pytest.mark.parametrize("template", ["slide", "chat", "identity"])
def test_templates_with_a_place_for_a_photograph_take_one(template):
    red = Image.new("RGB", (50, 50), (255, 0, 0))
    shares = [(np.asarray(page(template, number, [red])) == (255, 0, 0)).all(axis=-1).mean() for number in range(6)]
    assert max(shares) > 0.004
