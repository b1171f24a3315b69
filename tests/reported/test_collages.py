"""A page of several photographs: each of them is searched for."""

import pytest

from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from copysight.scoring.query_views import views_of
from tests.copysight.pictures.test_collage import collage


@pytest.mark.reported("P19")
@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 3)])
def test_every_photograph_of_a_page_is_found_first(drawn, rows, columns):
    embedder = Embedder(bundles.load("default"))
    known = embedder.embed([drawn(seed) for seed in range(100)])
    sheet, boxes = collage(drawn, rows, columns, 4)
    nearest = (embedder.embed([view.pixels for view in views_of(sheet)]) @ known.T).argmax(axis=1)
    assert set(range(len(boxes))) <= set(nearest.tolist())
