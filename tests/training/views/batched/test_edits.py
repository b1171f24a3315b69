"""Edits on tensors against those of Pillow: one by one with the same random numbers, and whole chains."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from scipy.stats import ks_2samp

from copysight.pictures.edits import Strength, degrade, geometry, overlay, scenes
from copysight.pictures.preprocess import to_batch
from tests.conftest import drawn_picture
from training.data import pack as packs
from training.views import edited_pairs
from training.views.batched import layers as drawn_layers
from training.views.batched import single
from training.views.batched.pairs import BatchedPairs
from training.views.batched.planned import whole
from training.views.batched.render import render
from training.views.batched.sampling import STRENGTHS
from training.views.edited_pairs import EditRecipe

CPU = torch.device("cpu")
RECIPE = EditRecipe(96, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
SEEDS = range(12)


def photograph(seed: int, size: tuple[int, int] = (150, 110)) -> Image.Image:
    """Shapes with soft borders and grain: drawn pictures alone have no texture for JPEG, blur and noise to change."""
    soft = drawn_picture(seed, size).filter(ImageFilter.GaussianBlur(1))
    grain = np.random.default_rng(seed).normal(0, 6, (*size[::-1], 3))
    return Image.fromarray((np.asarray(soft) + grain).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(24):
        photograph(seed, [(150, 110), (110, 150), (128, 128)][seed % 3]).save(folder / f"{seed:02}.png")
    return packs.pack(folder, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def pairs(pack):
    return BatchedPairs(pack, None, CPU, 0, 1.0, count=12)


ONE = {
    "flip": (geometry.flip, single.flip),
    "colour": (degrade.colour, single.colour),
    "grey": (degrade.grey, single.grey),
    "stripes": (overlay.stripes, single.stripes),
    "rotate": (geometry.rotate, single.rotate),
    "perspective": (geometry.perspective, single.perspective),
    "turn": (geometry.turn, single.turn),
    "pad": (geometry.pad, single.pad),
    "frame": (scenes.frame, single.frame),
    "blur": (degrade.blur, single.blur),
    "pixelate": (degrade.pixelate, single.pixelate),
    "jpeg": (degrade.jpeg, single.jpeg),
}
TWO = {
    "blend": (overlay.blend, single.blend),
    "inset": (overlay.inset, single.inset),
    "pasted": (scenes.pasted, single.pasted),
}


@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_each_edit_is_pillows(name):
    """The same random numbers, at three strengths: the views differ by a few levels, through rounding."""
    pictures = [photograph(seed, size) for seed, size in enumerate([(150, 110), (97, 131)])]
    held = [torch.from_numpy(np.asarray(one).copy()) for one in pictures]
    for seed in SEEDS:
        strength = (0.3, 0.7, 1.0)[seed % 3]
        number, other = seed % 2, 1 - seed % 2
        view, rng = whole(number, pictures[number].size), np.random.default_rng(seed)
        if name in ONE:
            before, now = ONE[name]
            expected = before(pictures[number], np.random.default_rng(seed), strength).picture
            view = now(view, rng, strength)
        else:
            before, now = TWO[name]
            expected = before(pictures[number], np.random.default_rng(seed), strength, pictures[other]).picture
            view = now(view, rng, strength, other)
        assert view.size == expected.size
        got = render([view], held.__getitem__, None, RECIPE.size, [0])
        off = np.abs(got.numpy() - to_batch([expected], RECIPE.preprocess)) * 255
        assert off.mean() < 1.2, f"seed {seed}: mean difference {off.mean():.2f} levels"
        assert np.quantile(off, 0.99) < 8, f"seed {seed}: {np.quantile(off, 0.99):.2f} levels at the 99th percentile"


def test_rotations_by_any_angle_are_pillows():
    picture = photograph(3)
    held = [torch.from_numpy(np.asarray(picture).copy())]
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        angle = float(np.random.default_rng([7, seed]).uniform(0, 360))
        expected = geometry.rotate_by(picture, np.random.default_rng(seed), angle).picture
        view = single.rotated(whole(0, picture.size), rng, angle)
        assert view.size == expected.size
        got = render([view], held.__getitem__, None, RECIPE.size, [0])
        assert np.abs(got.numpy() - to_batch([expected], RECIPE.preprocess)).mean() * 255 < 1.2


def test_noise_has_its_deviation_and_its_seed_decides():
    held = [torch.full((200, 200, 3), 128, dtype=torch.uint8)]
    view = single.noise(whole(0, (200, 200)), np.random.default_rng(0), 0.7)
    first, again, other = (render([view], held.__getitem__, None, 200, [seed]) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.std() * 255) == pytest.approx(view.noise, rel=0.02)
    assert float(first.mean() * 255) == pytest.approx(128, abs=0.5)


def test_a_view_does_not_depend_on_its_neighbours(pairs):
    """Neither on how many are made together, nor on the padding to the largest of them."""
    indices, seeds = np.arange(10), [(3, row) for row in range(10)]
    together = pairs.views(RECIPE, indices, seeds)
    alone = [pairs.views(RECIPE, indices[row : row + 1], seeds[row : row + 1]) for row in range(10)]
    for row in range(10):
        for view in (0, 1):
            assert torch.allclose(together[view][row], alone[row][view][0], atol=2e-4)


def same_numbers(view):
    """Whether both ways draw the same random numbers, and the same pixels, for a view: no layer, grain or WebP."""
    layered = view.scene is not None and view.scene.layer is not None
    return view.text is None and view.shapes is None and not layered and not view.noise


def test_whole_chains_are_pillows_where_nothing_is_drawn(pack, pairs):
    """Of 200 first views nearly all have the pixels that Pillow makes of the same seed; WebP, as JPEG, differs more."""
    indices = np.arange(200) % len(pack)
    seeds = [(11, row) for row in range(200)]
    plans = [pairs.plan(RECIPE, index, np.random.default_rng(seed)) for index, seed in zip(indices, seeds, strict=True)]
    exact = [same_numbers(first) for first, _ in plans]
    assert np.mean(exact) > 0.6
    expected = edited_pairs.views(RECIPE, pack, indices, seeds)[0][exact]
    got = pairs.views(RECIPE, indices, seeds)[0][exact]
    off = (got - expected).abs().mean(dim=(1, 2, 3)).numpy() * 255
    assert np.median(off) < 0.8
    assert np.quantile(off, 0.95) < 2.5


def figures(views: torch.Tensor) -> dict[str, np.ndarray]:
    """Figures of each view: brightness, contrast, colour, edges along both axes, fine grain, plain ground."""
    light = views.mean(dim=1)
    across, down = light.diff(dim=2).abs(), light.diff(dim=1).abs()
    grain = (
        light[:, 1:-1, 1:-1] * 4 - light[:, :-2, 1:-1] - light[:, 2:, 1:-1] - light[:, 1:-1, :-2] - light[:, 1:-1, 2:]
    )
    found = {
        "brightness": light.mean(dim=(1, 2)),
        "contrast": light.std(dim=(1, 2)),
        "colour": (views.amax(dim=1) - views.amin(dim=1)).mean(dim=(1, 2)),
        "edges across": across.mean(dim=(1, 2)),
        "edges down": down.mean(dim=(1, 2)),
        "grain": grain.abs().mean(dim=(1, 2)),
        "plain ground": (across[:, 1:] < 1 / 255).float().mean(dim=(1, 2)),
        "black or white": ((light < 0.02) | (light > 0.98)).float().mean(dim=(1, 2)),
    }
    return {name: value.numpy() for name, value in found.items()}


def test_the_views_have_pillows_distribution(pack, pairs):
    """Of 600 strong views each, with other seeds, no figure has another distribution (Kolmogorov-Smirnov)."""
    indices = np.arange(600) % len(pack)
    ours = pairs.views(RECIPE, indices, [(21, row) for row in range(600)])[1]
    pillows = edited_pairs.views(RECIPE, pack, indices, [(22, row) for row in range(600)])[1]
    for name, value in figures(ours).items():
        found = ks_2samp(value, figures(pillows)[name])
        assert found.pvalue > 0.001, f"{name}: largest difference {found.statistic:.3f} of the distribution"


@pytest.mark.parametrize("kind", list(drawn_layers.KINDS))
def test_a_layer_gives_what_the_edit_draws(kind, pack):
    """Drawn over a picture of the size that it was drawn for, a layer is the edit itself, as fine as it is stored."""
    layers = drawn_layers.draw(5, STRENGTHS, CPU, count=2)
    for shape, ratio in enumerate(drawn_layers.SHAPES):
        size = (round(192 * max(1.0, ratio)), round(192 / min(1.0, ratio)))
        picture = photograph(4, size)
        number = list(drawn_layers.KINDS).index(kind)
        rng = np.random.default_rng([5, number, shape, 1])
        expected = drawn_layers.KINDS[kind](picture, rng, STRENGTHS[kind]).picture
        layer = (number * len(drawn_layers.SHAPES) + shape) * 2 + 1
        view = whole(0, size)
        if kind in {"text", "shapes"}:
            view = replace(view, **{kind: layer})
        else:
            view = view.placed(*layers.around(layer, size), single.Scene(layer=layer))
            assert np.abs(np.array(view.size) - expected.size).max() <= 1
        held = [torch.from_numpy(np.asarray(picture).copy())]
        got = render([view], held.__getitem__, layers, RECIPE.size, [0])
        assert np.abs(got.numpy() - to_batch([expected], RECIPE.preprocess)).mean() * 255 < 3


def test_every_edit_of_the_chains_occurs_as_often(pack, pairs):
    """The probabilities of the chains are written twice: those of this module are counted against Pillow's."""
    rng, count = np.random.default_rng(0), 4000
    views = [pairs._sampler.strong(0, rng, [1, 2], Strength()) for _ in range(count)]
    shares = {
        "flip": (0.4, [one.flip for one in views]),
        "colour": (0.6, [one.colour is not None for one in views]),
        "grey": (0.12, [one.grey > 0 for one in views]),
        "blend": (0.1, [one.blend is not None for one in views]),
        "stripes": (0.08, [one.stripes is not None for one in views]),
        "text": (0.25, [one.text is not None for one in views]),
        "shapes": (0.2, [one.shapes is not None for one in views]),
        "inset": (0.05, [one.inset is not None for one in views]),
        "scene": (0.4, [one.scene is not None for one in views]),
        "pasted": (0.4 * 0.32, [one.scene is not None and one.scene.other is not None for one in views]),
        "blur": (0.12, [one.blur > 0 for one in views]),
        "pixelate": (0.08, [one.pixelate is not None for one in views]),
        "noise": (0.08, [one.noise > 0 for one in views]),
        "jpeg": (0.25, [one.jpeg is not None for one in views]),
    }
    for name, (expected, found) in shares.items():
        assert abs(np.mean(found) - expected) < 4 * np.sqrt(expected / count), name
