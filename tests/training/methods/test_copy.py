"""The copy method: edited pairs, descriptors and training on drawn pictures."""

import numpy as np
import pytest
import torch
from PIL import Image

from copysight.errors import InvalidArgument
from copysight.pictures.edits import NAMES, Strength, apply, mild, strong
from training.data import pack as packs
from training.methods.copy import Copy, CopyConfig
from training.methods.method import Length, Progress
from training.networks import descriptors
from training.networks.export_graphs import gem
from training.run.loader import Loader
from training.run.plan import Plan
from training.views.edited_pairs import EditRecipe, views


@pytest.fixture(scope="module")
def pack(tmp_path_factory, drawn, jpeg):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(12):
        (folder / f"{seed}.jpg").write_bytes(jpeg(drawn(seed)))
    return packs.pack(folder, tmp_path_factory.mktemp("cache"))


def test_views_depend_only_on_their_seeds(pack):
    recipe = EditRecipe(32)
    indices = np.array([3, 7, 9])
    whole = views(recipe, pack, indices, [(0, row) for row in range(3)])
    part = views(recipe, pack, indices[1:], [(0, row) for row in (1, 2)])
    assert [view.shape for view in whole] == [(3, 3, 32, 32)] * 2
    assert torch.equal(whole[0][1:], part[0])
    assert torch.equal(whole[1][1:], part[1])
    assert not torch.equal(whole[0], whole[1])


@pytest.mark.parametrize(("backbone", "width"), [("test_resnet", None), ("test_vit", 2 * 64)])
def test_descriptors_have_their_dimension(backbone, width):
    network = descriptors.build(backbone, 64, 20).eval()
    with torch.inference_mode():
        assert network(torch.randn(2, 3, 64, 64)).shape == (2, 20)
    assert width is None or network.project.in_features == width


def test_the_power_of_the_generalised_mean():
    """Power 1 is the plain mean; a larger power weights large values more."""
    maps = torch.tensor([[[1.0], [2.0], [6.0]]])
    assert gem(maps, 1.0).item() == pytest.approx(3.0)
    assert gem(maps, 3.0).item() == pytest.approx((225 / 3) ** (1 / 3))
    torch.manual_seed(0)
    plain = descriptors.build("test_resnet", 64, 20, power=1.0).eval()
    cubic = descriptors.build("test_resnet", 64, 20).eval()
    cubic.load_state_dict(plain.state_dict())
    pictures = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert not torch.allclose(plain(pictures), cubic(pictures))


def test_training_lowers_the_loss(pack):
    """In sixty steps on twelve drawn pictures the InfoNCE loss falls and the average follows the weights."""
    torch.manual_seed(0)
    recipe = EditRecipe(32, strength=Strength(magnitude=0.5))
    method = Copy(CopyConfig(dimension=32, first_size=32, warmup=0.1), "test_resnet", 32, recipe)
    length = Length(60, 1, 12, 12)
    method.start(length)
    optimizer, rates = method.optimizer(), method.schedules(length)
    indices = np.arange(12)
    losses = []
    for step in range(60):
        progress = Progress(step, step, 0)
        method.begin_step(progress)
        for group in optimizer.param_groups:
            group["lr"] = float(rates.lr[step])
        output = method(views(method.recipe, pack, indices, [(1, step, row) for row in indices]), torch.arange(12))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        method.after_update(progress)
        losses.append(float(output.metrics["infonce"]))
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
    with torch.no_grad():
        pairs = zip(method.average.parameters(), method.descriptor.parameters(), strict=True)
        assert max(float((mean - new).abs().max()) for mean, new in pairs) > 0


def test_the_memory_holds_the_last_embeddings_of_steps_that_count(pack):
    method = Copy(CopyConfig(dimension=8, first_size=32, memory=10), "test_resnet", 32, EditRecipe(32))
    method.start(Length(9, 9, 4, 36))
    seen = []
    for step, indices in enumerate(([0, 1], [2, 3], [4, 5])):
        method.begin_step(Progress(step, 0, step))
        crops = views(method.recipe, pack, np.array(indices), [(1, step, row) for row in range(2)])
        method(crops, torch.tensor(indices))
        if step != 1:  # the loop calls after_update only if the step was finite
            method.after_update(Progress(step, 0, step))
            seen = indices * 2 + seen
        assert method.remembered.tolist() == (seen + 10 * [-1])[:10]
    assert torch.allclose(method.memory[:8].norm(dim=1), torch.ones(8))
    assert not method.memory[8:].any()


def test_negatives_in_the_memory_raise_the_loss(pack):
    torch.manual_seed(0)
    method = Copy(CopyConfig(dimension=8, first_size=32, memory=8), "test_resnet", 32, EditRecipe(32)).eval()
    method.start(Length(9, 9, 4, 36))
    crops = views(method.recipe, pack, np.arange(4), [(1, 0, row) for row in range(4)])
    before = float(method(crops, torch.arange(4)).metrics["infonce"])
    method.after_update(Progress(0, 0, 0))
    assert float(method(crops, torch.arange(4)).metrics["infonce"]) > before
    assert float(method(crops, torch.arange(4) + 4).metrics["infonce"]) > before
    method.remembered.fill_(-1)
    assert float(method(crops, torch.arange(4)).metrics["infonce"]) == before


@pytest.mark.parametrize(
    ("backbone", "stages", "kept"),
    [
        ("test_resnet", 2, ("conv1", "bn1", "layer1")),
        ("test_vit", 1, ("cls_token", "pos_embed", "patch_embed", "blocks.0")),
        ("test_convnext", 1, ("stem", "stages.0")),
    ],
)
def test_frozen_stages_stay_as_they_are(pack, backbone, stages, kept):
    method = Copy(CopyConfig(dimension=8, first_size=64, frozen=stages), backbone, 64, EditRecipe(64))
    method.start(Length(9, 9, 4, 36))
    method.train()
    before = {name: value.clone() for name, value in method.descriptor.backbone.state_dict().items()}
    optimizer = method.optimizer()
    for group in optimizer.param_groups:
        group["lr"] = 0.1
    crops = views(method.recipe, pack, np.arange(4), [(1, 0, row) for row in range(4)])
    method(crops, torch.arange(4)).loss.backward()
    optimizer.step()
    after = method.descriptor.backbone.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed
    assert not [name for name in changed if name.startswith(kept)]
    others = {name for name, _ in method.descriptor.backbone.named_parameters() if not name.startswith(kept)}
    assert len(changed & others) > 0.8 * len(others)


def test_one_stage_must_be_left_to_train():
    with pytest.raises(InvalidArgument, match="got 5 stages to freeze; test_resnet has 5"):
        Copy(CopyConfig(dimension=8, first_size=32, frozen=5), "test_resnet", 32, EditRecipe(32))


def test_view_size_and_edit_frequency_grow_during_the_training():
    method = Copy(CopyConfig(dimension=8, first_size=32, grow_at=0.5), "test_resnet", 64, EditRecipe(64))
    method.start(Length(100, 10, 4, 40))
    sizes = []
    for step in (0, 15, 49, 50, 99):
        method.begin_step(Progress(step, step // 10, 0))
        sizes.append((method.recipe.size, round(method.recipe.strength.probability, 2)))
    assert sizes == [(32, 0.5), (32, 1.0), (32, 1.0), (64, 1.0), (64, 1.0)]


def test_views_that_a_thread_makes_ahead_have_the_recipe_of_their_own_step(pack):
    """The frequency of edits changes at every step, so the recipe of the step before would give other views."""
    method = Copy(CopyConfig(dimension=8, first_size=32, grow_at=0.5), "test_resnet", 48, EditRecipe(48))
    length, plan = Length(4, 4, 3, 12), Plan(batch=3, device="cpu")
    method.start(length)
    loader = Loader(pack, method, plan, length, torch.device("cpu"))
    for step in range(3):
        method.begin_step(Progress(step, 0, step))
        loader.load(step)
        ahead = loader._prefetched[1].result()
        method.begin_step(Progress(step + 1, 0, step + 1))
        expected = loader.make_views(step + 1)
        assert ahead.crops[0].shape[-1] == (32 if step + 1 < 2 else 48)
        assert all(torch.equal(one, other) for one, other in zip(ahead.crops, expected.crops, strict=True))


@pytest.mark.parametrize("edits", ["cpu", "device"])
def test_equal_pictures_are_no_negatives_of_each_other(drawn, tmp_path, edits):
    for number in range(4):
        drawn(number % 2).save(tmp_path / f"{number}.png")
    pack = packs.pack(tmp_path, tmp_path / "cache")
    method = Copy(CopyConfig(dimension=8, first_size=32), "test_resnet", 32, EditRecipe(32))
    method.start(Length(1, 1, 4, 4))
    loader = Loader(pack, method, Plan(batch=4, device="cpu", edits=edits), Length(1, 1, 4, 4), torch.device("cpu"))
    assert sorted(loader.make_views(0).indices.tolist()) == [0, 0, 1, 1]


def test_edits_on_the_device_are_the_same_in_every_run_and_process(pack):
    """Views made ahead, at once, in micro-batches, or by another loader, as after a resume."""
    method, length = (
        Copy(CopyConfig(dimension=8, first_size=32), "test_resnet", 32, EditRecipe(32)),
        Length(3, 3, 4, 12),
    )
    method.start(length)
    whole, halves = (
        Loader(pack, method, Plan(batch=4, device="cpu", edits="device", accumulate=parts), length, torch.device("cpu"))
        for parts in (1, 2)
    )
    whole.load(0)
    ahead = whole.load(1)
    parts = [halves.make_views(1, part).crops for part in range(2)]
    pillow = Loader(pack, method, Plan(batch=4, device="cpu"), length, torch.device("cpu")).make_views(1)
    for view in range(2):
        assert torch.allclose(ahead.crops[view], torch.cat([part[view] for part in parts]), atol=1e-3)
        assert ahead.crops[view].is_contiguous(memory_format=torch.channels_last)
        assert ahead.crops[view].shape == pillow.crops[view].shape
        assert not torch.allclose(ahead.crops[view], pillow.crops[view], atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_every_edit_is_reproducible_and_changes_the_picture(name, drawn):
    picture, other = drawn(1), drawn(2)
    got = [apply(name, picture, np.random.default_rng(5), 0.8, other) for _ in range(2)]
    assert got[0].mode == "RGB"
    assert min(got[0].size) >= 8
    assert got[0].tobytes() == got[1].tobytes()
    assert got[0].size != picture.size or got[0].tobytes() != picture.tobytes()


@pytest.mark.parametrize("size", [(20, 20), (16, 200), (300, 40), (97, 131)])
def test_chains_of_edits_work_at_any_size(size, drawn):
    rng = np.random.default_rng(0)
    for seed in range(60):
        picture = Image.new("RGB", size, (seed, 2 * seed, 3 * seed))
        for out in (mild(picture, rng), strong(picture, rng, [drawn(1)]), strong(picture, rng, [])):
            assert out.mode == "RGB"
            assert min(out.size) >= 1


def test_an_unknown_edit_or_a_missing_second_picture_is_an_error(drawn):
    with pytest.raises(InvalidArgument, match="use one of"):
        apply("burn", drawn(0), np.random.default_rng(0))
    with pytest.raises(InvalidArgument, match="other picture given: False"):
        apply("pasted", drawn(0), np.random.default_rng(0))
