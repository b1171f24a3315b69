"""Numbers that the page computes itself: attention masks and percentages."""

import numpy as np
import pytest
from playwright.sync_api import expect

from copysight.model import attention_maps


def test_masks_equal_those_of_the_library(shared, open_page):
    maps = np.random.default_rng(0).dirichlet(np.ones(16), size=3).reshape(3, 4, 4).astype(np.float32)
    page = open_page(shared)
    for share in (0.3, 0.6, 0.9):
        masks = page.evaluate(
            "async ([maps, share]) => { const { massMask } = await import('/ui/matching/maps.js');"
            " return maps.map((map) => Array.from(massMask(map.flat(), share))); }",
            [maps.tolist(), share],
        )
        assert np.array_equal(np.array(masks).reshape(3, 4, 4) > 0, attention_maps.mass_masks(maps, share) > 0)


@pytest.mark.parametrize(
    ("probability", "words"),
    [(1, "100 %"), (0.9997, "> 99.9 %"), (0.995, "99.5 %"), (0.42, "42 %"), (0.0003, "< 0.1 %"), (0, "0 %")],
)
def test_percentages(shared, open_page, probability, words):
    page = open_page(shared)
    page.locator(".dropzone").wait_for()
    page.evaluate(
        "async (p) => { const { bar } = await import('/ui/matching/verdict.js');"
        " document.getElementById('view').replaceChildren(bar(p)); }",
        probability,
    )
    expect(page.locator(".probability .number")).to_have_text(words)
