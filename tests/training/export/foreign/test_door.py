"""ONNX files of others become bundles whose embedding is the file's own; files that cannot are refused in one line."""

import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from copysight.errors import CopysightError, ExportFailed, InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.embedder import Embedder, Runtime
from training.commands.export import export
from training.export.fitting import Fitting
from training.export.foreign.choices import Wishes
from training.export.foreign.write import About, export_file

FREE = ("batch", "height", "width")


def network(path, **changes):
    """Write a small descriptor: a convolution of stride 4, its mean and deviation over all places, a projection.

    ``layout``, ``dtype``, ``size`` (None: free), ``batch``, ``normalise`` (mean and deviation inside the graph),
    ``opset``, ``outputs``: names of ``vector``, ``tokens``, ``logits``, ``map``.
    """
    made = {
        "layout": "NCHW", "dtype": TensorProto.FLOAT, "size": 32, "batch": None, "normalise": None, "opset": 17,
        "outputs": ("vector",), "constant": False,
    } | changes  # fmt: skip
    rng = np.random.default_rng(0)
    weights = {
        "kernel": rng.normal(size=(12, 3, 5, 5)),
        "matrix": rng.normal(size=(24, 16)),
        "classes": rng.normal(size=(16, 5)),
    }
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    nodes, name = [], "picture"

    def step(kind, inputs, **attributes):
        nonlocal name
        nodes.append(helper.make_node(kind, inputs, [f"v{len(nodes)}"], **attributes))
        name = f"v{len(nodes) - 1}"

    if made["dtype"] != TensorProto.FLOAT:
        step("Cast", [name], to=TensorProto.FLOAT)
    if made["normalise"]:
        for kind, value in zip(("Sub", "Div"), made["normalise"], strict=True):
            constants.append(numpy_helper.from_array(np.array([value] * 3, np.float32).reshape(_per(made)), kind))
            step(kind, [name, kind])
    if made["layout"] == "NHWC":
        step("Transpose", [name], perm=[0, 3, 1, 2])
    step("Conv", [name, "kernel"], strides=[4, 4], pads=[2, 2, 2, 2])
    step("Relu", [name])
    feature = name
    step("GlobalAveragePool", [feature])
    mean = name
    step("GlobalMaxPool", [feature])
    step("Concat", [mean, name], axis=1)
    step("Flatten", [name], axis=1)
    step("MatMul", [name, "matrix"])
    if made["constant"]:
        constants.append(numpy_helper.from_array(np.float32(0), "nothing"))
        constants.append(numpy_helper.from_array(np.ones(16, np.float32), "ones"))
        step("Mul", [name, "nothing"])
        step("Add", [name, "ones"])
    ends = {"vector": (name, ["batch", 16], TensorProto.FLOAT)}
    step("MatMul", [name, "classes"])
    ends["logits"] = (name, ["batch", 5], TensorProto.FLOAT)
    constants.append(numpy_helper.from_array(np.array([0, 12, -1], np.int64), "shape"))
    step("Reshape", [feature, "shape"])
    step("Transpose", [name], perm=[0, 2, 1])
    ends["tokens"] = (name, ["batch", "places", 12], TensorProto.FLOAT)
    ends["map"] = (feature, ["batch", 12, "rows", "columns"], TensorProto.FLOAT)
    renamed = [helper.make_node("Identity", [ends[one][0]], [one]) for one in made["outputs"]]
    sides = [made["size"] or side for side in FREE[1:]] if not isinstance(made["size"], tuple) else [*made["size"]]
    shape = [made["batch"] or "batch", 3, *sides] if made["layout"] == "NCHW" else [made["batch"] or "batch", *sides, 3]
    graph = helper.make_graph(
        [*nodes, *renamed],
        "small",
        [helper.make_tensor_value_info("picture", made["dtype"], shape)],
        [helper.make_tensor_value_info(one, ends[one][2], ends[one][1]) for one in made["outputs"]],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", made["opset"])], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _per(made):
    return (1, 3, 1, 1) if made["layout"] == "NCHW" else (3,)


def own_vector(path, batch, output="vector"):
    """L2-normalised output of the file itself."""
    (found,) = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run([output], {"picture": batch})
    rows = found.reshape(len(found), -1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_network_for_bytes_with_channels_last_keeps_its_embedding(tmp_path, drawn):
    """The graph normalises uint8 pixels of any size itself; the bundle squashes pictures to the asked size."""
    file = network(tmp_path / "bytes.onnx", layout="NHWC", dtype=TensorProto.UINT8, size=None, normalise=(120, 60))
    done = export_file(file, tmp_path / "out", Wishes(size=48), About())
    pictures = [drawn(seed).resize((48, 48)) for seed in range(4)]
    expected = own_vector(file, np.stack([np.asarray(picture) for picture in pictures]))
    found = Embedder(done.bundle).embed(pictures)
    assert (found * expected).sum(axis=1).min() >= 0.99999
    assert done.warnings == ()
    assert done.bundle.numerics.cosine >= 0.99999
    assert done.bundle.dimension == 16


@pytest.mark.parametrize(
    ("wishes", "mean", "std"),
    [
        (Wishes(pixels="clip"), (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        (Wishes(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)), (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)),
        (Wishes(), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ],
)
def test_a_network_for_floats_gets_the_normalisation_that_is_asked_for(wishes, mean, std, tmp_path, drawn):
    file = network(tmp_path / "floats.onnx")
    done = export_file(file, tmp_path / "out", wishes, About())
    picture = drawn(3).resize((32, 32))
    values = (np.asarray(picture, np.float64) / 255 - mean) / std
    expected = own_vector(file, values.transpose(2, 0, 1)[None].astype(np.float32))
    assert (Embedder(done.bundle).embed([picture]) * expected).sum() >= 0.99999
    assert bool(done.warnings) == (wishes == Wishes()), "a guess is said to be one"


@pytest.mark.parametrize(("normalise", "scale"), [((0.4, 0.2), 255), ((110, 55), 1)])
def test_a_graph_that_normalises_floats_says_of_which_scale(normalise, scale, tmp_path, drawn):
    file = network(tmp_path / "inside.onnx", normalise=normalise)
    done = export_file(file, tmp_path / "out", Wishes(), About())
    picture = drawn(3).resize((32, 32))
    values = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / scale
    assert (Embedder(done.bundle).embed([picture]) * own_vector(file, values)).sum() >= 0.99999
    assert done.warnings == ()


@pytest.mark.parametrize("opset", [11, 17, 18])
def test_old_and_new_operators_are_wrapped(opset, tmp_path, drawn):
    file = network(tmp_path / "opset.onnx", opset=opset, outputs=("vector", "tokens"))
    bundle = export_file(file, tmp_path / "out", Wishes(pixels="unit", recipe="pool"), About()).bundle
    picture = drawn(1).resize((32, 32))
    values = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255
    (tokens,) = ort.InferenceSession(str(file)).run(["tokens"], {"picture": values})
    mean = tokens.mean(axis=1)[0]
    assert Embedder(bundle).embed([picture])[0] @ (mean / np.linalg.norm(mean)) >= 0.99999
    assert bundle.embedding.recipe == "pool"


def test_half_precision_and_rectangles(tmp_path, drawn):
    file = network(tmp_path / "half.onnx", dtype=TensorProto.FLOAT16, size=(24, 40))
    bundle = export_file(file, tmp_path / "out", Wishes(pixels="unit"), About(), half=True).bundle
    picture = drawn(1).resize((40, 24))
    values = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255
    assert (Embedder(bundle).embed([picture]) * own_vector(file, values.astype(np.float16))).sum() >= 0.9999


def test_one_output_of_several_is_chosen(tmp_path):
    file = network(tmp_path / "several.onnx", outputs=("logits", "vector", "tokens", "map"))
    with pytest.raises(InvalidArgument, match=r"several outputs .* logits 2x5 .* choose one by --output"):
        export_file(file, tmp_path / "out", Wishes(), About())
    with pytest.raises(InvalidArgument, match=r"got --output nothing, and .* has logits 2x5"):
        export_file(file, tmp_path / "out", Wishes(output="nothing"), About())
    done = export_file(file, tmp_path / "out", Wishes(output="vector"), About())
    assert done.bundle.dimension == 16
    kept = {node.op_type for node in onnx.load(done.bundle.path / "graph0.onnx").graph.node}
    assert "Reshape" not in kept, "what the other outputs need is dropped"


def test_a_batch_of_one_is_freed(tmp_path):
    file = network(tmp_path / "one.onnx", batch=1)
    bundle = export_file(file, tmp_path / "out", Wishes(pixels="unit"), About()).bundle
    batch = onnx.load(bundle.path / "graph0.onnx").graph.input[0].type.tensor_type.shape.dim[0]
    assert batch.dim_param == "B"


@pytest.mark.parametrize(
    ("changes", "wishes", "message"),
    [
        (
            {"outputs": ("tokens",)},
            {},
            r"no output of .* \(pictures, dimensions\): .*tokens 2x64x12.*give --recipe cls",
        ),
        ({"outputs": ("map",)}, {}, r"no output of .* map 2x12x8x8 .*; choose a file whose output"),
        ({"dtype": TensorProto.INT32}, {}, "is int32; pictures are uint8, float32, float16"),
        ({"size": None}, {}, "takes pictures of any size; give --size"),
        ({}, {"size": 64}, "got --size 64, and .* takes 32 px only"),
        ({}, {"layout": "NHWC"}, "got --layout NHWC, and the input of .* is NCHW"),
        ({}, {"mean": (0.0, 0.0, 0.0)}, "give both"),
        ({}, {"resize_to": 16}, "got --resize-to 16, which is less than the size of 32"),
        ({}, {"recipe": "gem"}, "for an ONNX file choose one of cls, pool"),
        ({"dtype": TensorProto.UINT8, "normalise": (120, 60)}, {"pixels": "clip"}, "leave out --pixels"),
        ({"constant": True}, {}, "gives different pictures the same embedding"),
    ],
)
def test_files_that_are_no_descriptors_of_pictures_are_refused(changes, wishes, message, tmp_path):
    file = network(tmp_path / "wrong.onnx", **changes)
    with pytest.raises((InvalidArgument, ExportFailed), match=message):
        export_file(file, tmp_path / "out", Wishes(**wishes), About())
    assert not (tmp_path / "out").exists()


def test_files_that_are_not_onnx_or_lack_weights_are_refused(tmp_path):
    wrong = {
        "page": (b"<html>not found</html>", "is not an ONNX file; download it again"),
        "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a pointer of Git LFS"),
        "empty": (b"", "is not an ONNX file"),
    }
    for name, (content, message) in wrong.items():
        (tmp_path / f"{name}.onnx").write_bytes(content)
        with pytest.raises(InvalidArgument, match=message):
            export_file(tmp_path / f"{name}.onnx", tmp_path / "out", Wishes(), About())
    model = onnx.load(network(tmp_path / "whole.onnx"))
    onnx.save(model, tmp_path / "split.onnx", save_as_external_data=True, location="split.data", size_threshold=1000)
    export_file(tmp_path / "split.onnx", tmp_path / "good", Wishes(pixels="unit"), About())
    (tmp_path / "split.data").unlink()
    with pytest.raises(InvalidArgument, match=r"keeps its weights in split\.data, which is not beside it"):
        export_file(tmp_path / "split.onnx", tmp_path / "out", Wishes(), About())


def test_two_inputs_are_refused(tmp_path):
    model = onnx.load(network(tmp_path / "one.onnx"))
    model.graph.input.append(helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", 77]))
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(InvalidArgument, match=r"has 2 inputs \(picture, input_ids\)"):
        export_file(tmp_path / "two.onnx", tmp_path / "out", Wishes(), About())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in range(120):
        drawn(seed).save(folder / f"{seed}.png")
    return folder


def test_pictures_add_whitening_background_calibration_and_int8(pictures, tmp_path, drawn):
    file = network(tmp_path / "small.onnx")
    done = export_file(file, tmp_path / "out", Wishes(), About(), Fitting(pictures, whiten=8, int8=True))
    bundle = done.bundle
    assert (bundle.dimension, bundle.embedding.whitening, bundle.background.count) == (8, True, 72)
    assert bundle.calibration is not None
    assert bundle.numerics.cosine >= 0.99999
    (note,) = done.warnings
    assert "imagenet" in note
    assert "clip" in note
    int8 = Embedder(bundle, Runtime(variant="int8")).embed([drawn(0)])
    assert (int8 * Embedder(bundle).embed([drawn(0)])).sum() > 0.98
    with pytest.raises(InvalidArgument, match="quantised already; leave out --int8"):
        export_file(
            bundle.path / "graph0.int8.onnx", tmp_path / "again", Wishes(pixels="unit"), About(),
            Fitting(pictures, int8=True),
        )  # fmt: skip


PROCESSOR = {
    "do_resize": True, "size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32},
    "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25],
}  # fmt: skip


def test_the_processor_file_beside_the_file_is_followed_and_options_come_first(tmp_path):
    (tmp_path / "onnx").mkdir()
    file = network(tmp_path / "onnx" / "model.onnx", size=None)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    first = export_file(file, tmp_path / "a", Wishes(), About()).bundle.graphs["graph0"].preprocess
    assert (first.size, first.resize, first.resize_to, first.interpolation) == (32, "shortest", 40, "bicubic")
    assert (first.mean, first.std) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    wishes = Wishes(pixels="unit", resize="squash", resize_to=32)
    second = export_file(file, tmp_path / "b", wishes, About()).bundle.graphs["graph0"].preprocess
    assert (second.resize, second.resize_to, second.mean) == ("squash", 32, (0.0, 0.0, 0.0))
    (tmp_path / "preprocessor_config.json").write_text("[]")
    with pytest.raises(InvalidArgument, match=r"is not a preprocessor_config\.json"):
        export_file(file, tmp_path / "c", Wishes(), About())


def test_the_command_prints_what_it_settled_and_needs_no_torch(tmp_path):
    file = network(tmp_path / "small.onnx")
    done = subprocess.run(
        [
            sys.executable, "-c",
            "import sys; sys.modules['torch'] = sys.modules['timm'] = None; from cli.main import main; main()",
            "export", str(file), "--out", str(tmp_path / "out"), "--pixels", "half", "--licence", "MIT",
            "--origin", "https://models.example/small.onnx",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "input picture: float32, NCHW (the file)" in done.stdout
    assert "pixels half (given)" in done.stdout
    assert "largest difference to the file" in done.stdout
    bundle = bundles.load(tmp_path / "out")
    assert bundle.licence == "MIT"
    assert bundle.training["graph0"]["origin"] == "https://models.example/small.onnx"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["SMALL", "--views"], "--views cannot be used for a source that is an ONNX file"),
        (["timm:test_vit", "--layout", "NCHW"], "--layout cannot be used for a source that is other than an ONNX file"),
        (["SMALL", "--mean", "1,2"], "are not three numbers"),
        (["SMALL", "--mean", "0,0,0", "--std", "1,1,0"], "each must be above 0"),
        (["SMALL", "--mean", "nan,0,0", "--std", "1,1,1"], "out of range"),
    ],
)
def test_wrong_use_exits_2(words, message, tmp_path):
    file = network(tmp_path / "small.onnx")
    given = [str(file) if word == "SMALL" else word for word in words]
    done = CliRunner().invoke(export, [*given, "--out", str(tmp_path / "out")])
    assert (done.exit_code, message in done.output) == (2, True), done.output


def test_a_missing_file_is_one_line(tmp_path):
    done = CliRunner().invoke(export, [str(tmp_path / "no.onnx"), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, CopysightError)
    assert "there is no file" in str(done.exception)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch will drop torch.jit; the files stay
def test_torchscript_is_converted_and_keeps_its_embedding(tmp_path, drawn):
    """A network with the pooling of SSCD: generalised mean, projection, L2."""
    import torch

    class Descriptor(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2), torch.nn.BatchNorm2d(8), torch.nn.ReLU())
            self.last = torch.nn.Linear(8, 6)

        def forward(self, x):
            x = self.body(x).clamp(min=1e-6).pow(3.0)
            x = torch.nn.functional.avg_pool2d(x, (x.size(-2), x.size(-1))).pow(1 / 3.0).flatten(1)
            return torch.nn.functional.normalize(self.last(x))

    torch.manual_seed(0)
    module = torch.jit.script(Descriptor().eval())
    file = tmp_path / "small.torchscript.pt"
    module.save(str(file))
    runner = CliRunner()
    wrong = runner.invoke(export, [str(file), "--out", str(tmp_path / "out")])
    assert "is TorchScript, which takes pictures of any size; give --size" in str(wrong.exception)
    words = [str(file), "--out", str(tmp_path / "out"), "--size", "32", "--pixels", "imagenet"]
    done = runner.invoke(export, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    bundle, picture = bundles.load(tmp_path / "out"), drawn(2).resize((32, 32))
    assert bundle.training["graph0"]["source"] == "small.torchscript.pt"
    values = (np.asarray(picture, np.float64) / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    with torch.inference_mode():
        own = module(torch.from_numpy(values.transpose(2, 0, 1)[None].astype(np.float32))).numpy()
    assert (Embedder(bundle).embed([picture]) * own).sum() >= 0.99999
