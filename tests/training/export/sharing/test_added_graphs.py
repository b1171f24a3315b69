"""Graphs of places in a bundle: patches of any size, contributions; no second copy of the weights."""

import shutil

import numpy as np
import pytest
import torch

from copysight.errors import BundleCorrupt, InvalidArgument, OutputMissing
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder
from tests.training.conftest import short_vit
from training.export import exportable
from training.export.amend import amend
from training.export.export import Network, export
from training.export.sharing.shared_weights import files_used
from training.networks import descriptors
from training.networks.export_graphs import PooledGraph
from training.networks.many_views import ManyViews, earlier_views, equal_views, standard_views
from training.networks.places import places_of


def copy_network(views, power=3.0):
    """A copy network of several views with a whitening."""
    torch.manual_seed(0)
    body = ManyViews(descriptors.build("test_resnet", 64, 24, power), views(64))
    for module in body.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after a training: no two are equal
            for values in (module.weight, module.bias, module.running_mean):
                torch.nn.init.normal_(values, 0.5, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    graph = PooledGraph(body, None, torch.nn.Linear(24, 16)).eval().requires_grad_(False)
    preprocess = exportable.load("timm:test_resnet", size=128, random=True).preprocess
    return Network(graph, preprocess, "copy-test_resnet", "copy", "test_resnet", "gem", None, {})


@pytest.fixture(scope="module")
def copies():
    return copy_network(standard_views)


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(1)
    return short_vit(96)


@pytest.fixture(scope="module", params=[pytest.param(False, marks=pytest.mark.long), True], ids=["float", "half"])
def half(request):
    return request.param


@pytest.fixture(scope="module")
def bundle(half, copies, vit, tmp_path_factory):
    return export([copies, vit], tmp_path_factory.mktemp("bundle") / "both", half=half)


def test_patches_of_any_size_are_those_of_torch(bundle, copies):
    """Sizes that were not seen at export; patches are those of the copy network, not of the ViT beside it."""
    network, embedder, stride = places_of(copies.graph), Embedder(bundle), bundle.patches.stride
    for rows, columns in ((3, 5), (8, 2), (13, 17)):
        pixels = np.random.default_rng(rows).normal(size=(3, rows * stride, columns * stride)).astype(np.float32)
        found = embedder.places(pixels)
        with torch.inference_mode():
            expected = network(torch.from_numpy(pixels)[None])[0][0].numpy()
        assert found.shape == (rows, columns, bundle.patches.dimension)
        assert np.abs(found.reshape(-1, bundle.patches.dimension) - expected).max() < 1e-2
    assert bundle.patches.graph == bundle.patches.any_size == "patches"


def test_patches_at_the_size_of_the_bundle(bundle, drawn):
    embedder = Embedder(bundle)
    found = embedder.run([embedder.prepare(drawn(0), ("patches",))], ("patches",)).patches
    rows, columns = bundle.patches.grid
    assert found.shape == (1, rows * columns, bundle.patches.dimension)


def test_contributions_add_up_to_the_embedding(bundle, drawn):
    embedder, picture = Embedder(bundle), drawn(3)
    found = embedder.run([embedder.prepare(picture, ("contributions",))], ("contributions",)).contributions
    assert found.shape == (1, sum(grid.count for grid in bundle.contributions.grids), bundle.dimension)
    assert np.abs(found.sum(axis=1) - embedder.embed([picture])).max() < 1e-5


def test_weights_are_stored_once(bundle, copies, tmp_path):
    for name in ("patches", "contributions"):
        assert files_used(bundle.path / f"{name}.onnx") == {"graph0.onnx"}
        assert (bundle.path / f"{name}.onnx").stat().st_size < 300_000
    lean = export([copies], tmp_path / "lean", places=False)
    assert (lean.patches, lean.contributions, set(lean.files)) == (None, None, {"graph0.onnx", "MODEL_CARD.md"})


def test_a_damaged_host_is_noticed(bundle, tmp_path):
    copy = shutil.copytree(bundle.path, tmp_path / "copy")
    data = bytearray((copy / "graph0.onnx").read_bytes())
    data[-100] ^= 1
    (copy / "graph0.onnx").write_bytes(bytes(data))
    with pytest.raises(BundleCorrupt, match=r"graph0\.onnx"):
        bundles.load(copy)


def test_a_transformer_keeps_its_own_patches_and_gets_any_size(vit, tmp_path, drawn):
    bundle = export([vit], tmp_path / "vit")
    assert (bundle.patches.graph, bundle.patches.any_size, bundle.patches.stride) == ("graph0", "patches", 16)
    assert bundle.contributions is None
    embedder = Embedder(bundle)
    inputs = embedder.prepare(drawn(0), ("patches",))
    own = embedder.run([inputs], ("patches",)).patches[0]
    assert np.abs(embedder.places(inputs["graph0"]).reshape(own.shape) - own).max() < 1e-4
    assert embedder.places(np.zeros((3, 64, 160), np.float32)).shape == (4, 10, bundle.patches.dimension)


def test_sizes_that_do_not_fit_are_refused(bundle, vit, tmp_path):
    with pytest.raises(InvalidArgument, match="resize it to multiples of"):
        Embedder(bundle).places(np.zeros((3, 100, 128), np.float32))
    fixed = export([vit], tmp_path / "fixed", places=False)
    with pytest.raises(OutputMissing, match="patches of any size"):
        Embedder(fixed).places(np.zeros((3, 96, 96), np.float32))


def test_a_network_of_a_fixed_size_gets_no_graph_for_any_size(tmp_path):
    """A stem of another kind than plain patches; the export goes on without."""
    torch.manual_seed(0)
    network = short_vit(96)
    network.graph.backbone.patch_embed.__class__ = type("Other", (type(network.graph.backbone.patch_embed),), {})
    bundle = export([network], tmp_path / "odd")
    assert (bundle.patches.any_size, set(bundle.files)) == (None, {"graph0.onnx", "MODEL_CARD.md"})


def test_an_older_bundle_gets_its_graphs_by_amend(bundle, half, copies, vit, tmp_path, drawn):
    old = export([copies, vit], tmp_path / "old", half=half, places=False)
    check_amended(amend(old, tmp_path / "new", places=True), old, bundle, drawn)


@pytest.mark.parametrize(
    ("views", "power"),
    [
        (equal_views, 4.0),
        pytest.param(earlier_views, 3.0, marks=pytest.mark.long),
        pytest.param(standard_views, 1.0, marks=pytest.mark.long),
    ],
)
def test_a_bundle_of_other_views_or_another_power_gets_its_graphs_by_amend(tmp_path, drawn, views, power):
    copies = copy_network(views, power)
    old, whole = (export([copies], tmp_path / name, places=name == "whole") for name in ("old", "whole"))
    check_amended(amend(old, tmp_path / "new", places=True), old, whole, drawn)


def check_amended(made, old, whole, drawn):
    pictures = [drawn(seed) for seed in range(2)]
    assert (Embedder(made).embed(pictures) == Embedder(old).embed(pictures)).all()
    assert made.patches == whole.patches
    assert made.contributions == whole.contributions
    for name in ("patches", "contributions"):
        assert files_used(made.path / f"{name}.onnx") == {"graph0.onnx"}
        assert (made.path / f"{name}.onnx").stat().st_size < 300_000
    pixels = np.random.default_rng(0).normal(size=(3, 96, 160)).astype(np.float32)
    assert np.abs(Embedder(made).places(pixels) - Embedder(whole).places(pixels)).max() < 1e-3


def test_patches_of_any_size_stay_beside_another_vit(bundle, tmp_path):
    other = short_vit(64)
    made = amend(bundle, tmp_path / "new", other)
    assert made.patches == bundle.patches
    assert made.attention.grid == (4, 4)
    assert made.contributions == bundle.contributions
    assert Embedder(made).places(np.zeros((3, 64, 96), np.float32)).shape[2] == made.patches.dimension


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_weights_that_are_not_stored_as_they_are_cannot_be_rebuilt(name, tmp_path):
    """Transposed matrices of a ViT; convolutions of a network that runs once, with BatchNorm folded into them."""
    torch.manual_seed(0)
    old = export([exportable.load(f"timm:{name}", size=96, random=True)], tmp_path / "old", places=False)
    with pytest.raises(InvalidArgument, match="cannot be rebuilt from its graph"):
        amend(old, tmp_path / "new", places=True)
