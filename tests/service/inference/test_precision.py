"""The choice of the precision that answers queries."""

import json
import re

import numpy as np
import pytest

from copysight.errors import InvalidArgument
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.model.embedder import first_provider
from index_builder.build import Plan, build
from index_builder.progress import Progress
from service.inference import precision
from service.inference.models import Models
from tests.service.conftest import serving


def two(tmp_path, tiny_bundle, cosine) -> Bundle:
    """The tiny bundle with a second precision whose stated cosine to fp32 is this."""
    manifest = json.loads((tiny_bundle.path / "bundle.json").read_text())
    del manifest["format"], manifest["files"]
    files = {name: tiny_bundle.path / name for name in tiny_bundle.files}
    graph = manifest["graphs"]["graph0"]
    graph["variants"]["int8"] = {"file": "graph0.int8.onnx", "cosine": cosine}
    return bundles.write(tmp_path / "two", manifest, files | {"graph0.int8.onnx": files["graph0.onnx"]})


def test_only_accurate_precisions_are_allowed(tmp_path, tiny_bundle):
    near, far = two(tmp_path / "near", tiny_bundle, 0.9995), two(tmp_path / "far", tiny_bundle, 0.998)
    assert precision.allowed(near, "fp32", "cpu") == pytest.approx({"fp32": 1.0, "int8": 0.9995})
    assert precision.allowed(near, "int8", "cpu") == pytest.approx({"fp32": 0.9995, "int8": 1.0})
    assert precision.allowed(far, "fp32", "cpu") == {"fp32": 1.0}
    assert precision.allowed(far, "int8", "cpu") == {"int8": 1.0}
    assert precision.allowed(near, "int8", "cuda") == pytest.approx({"fp32": 0.9995})


def test_a_tie_goes_to_the_precision_of_the_index(tmp_path, tiny_bundle):
    # Both files hold the same graph, so neither is a tenth faster than the other except by chance.
    bundle, ticks = two(tmp_path, tiny_bundle, 0.9995), iter(range(10_000))
    embedders = {name: Models("cpu", "auto").get(bundle, name) for name in ("fp32", "int8")}
    assert precision.measured(embedders, lambda: float(next(ticks))) == {"fp32": 1000.0, "int8": 1000.0}
    for index_variant in embedders:
        choice, embedder = precision.choose(bundle, index_variant, "auto", "cpu", embedders.__getitem__)
        assert set(choice.milliseconds) == {"fp32", "int8"}
        assert embedder is embedders[choice.variant]


def test_a_setting_overrides_the_measurement_if_it_is_accurate(tmp_path, tiny_bundle):
    near, far = two(tmp_path / "near", tiny_bundle, 0.9995), two(tmp_path / "far", tiny_bundle, 0.998)
    assert Models("cpu", "int8").choice(near, "fp32").variant == "int8"
    with pytest.raises(InvalidArgument, match="cosine"):
        Models("cpu", "int8").choice(far, "fp32")
    with pytest.raises(InvalidArgument, match="int4"):
        Models("cpu", "int4").choice(near, "fp32")


def test_a_running_service_reports_its_precision(tmp_path, tiny_bundle, pictures):
    bundle = two(tmp_path, tiny_bundle, 0.9995)
    build(Plan(pictures, tmp_path / "index", bundle=str(bundle.path), threads=1), Progress())
    picture = (pictures / "0.jpg").read_bytes()
    with serving(tmp_path / "index", variant="fp32") as server:
        headers = {"content-type": "image/jpeg"}
        assert server.http.get("/index").json()["queries"]["why"] == "set"
        answer = server.http.post("/embed", content=picture, headers=headers).json()
        assert answer["variant"] == "fp32"
        assert np.linalg.norm(answer["items"][0]["embedding"]) == pytest.approx(1, abs=1e-5)
        assert server.http.post("/search", content=picture, headers=headers).json()["variant"] == "fp32"
    with serving(tmp_path / "index") as server:
        about = server.http.get("/index").json()
        assert about["variant"] == "int8"
        assert about["queries"]["why"] == "the fastest here"
        assert set(about["queries"]["milliseconds"]) == {"fp32", "int8"}
        assert about["queries"]["provider"] == first_provider(bundle)
        metrics = server.http.get("/metrics").text
        assert re.search(rf'copysight_variant{{variant="{about["queries"]["variant"]}"}} 1\.0', metrics)
        assert 'copysight_variant_seconds{variant="fp32"}' in metrics
        assert "process_resident_memory_bytes" in metrics
        assert "precision of queries" in server.log.read_text()
