"""A real server answers with the embedding of somebody else's ONNX file."""

from io import BytesIO

import httpx
import numpy as np
from onnx import TensorProto
from PIL import Image

from index_builder.build import Plan, build
from index_builder.progress import Progress
from tests.service.conftest import serving
from tests.training.export.foreign.test_door import network, own_vector
from training.export.fitting import Fitting
from training.export.foreign.choices import Wishes
from training.export.foreign.write import About, export_file


def test_the_server_gives_the_file_s_own_embedding_and_finds_the_picture(tmp_path, drawn):
    """From the file to a calibrated index that is served: the answer is what ONNX Runtime computes from the file."""
    (tmp_path / "pictures").mkdir()
    for seed in range(110):
        drawn(seed).resize((48, 48), Image.Resampling.NEAREST).save(tmp_path / "pictures" / f"{seed}.png")
    file = network(tmp_path / "bytes.onnx", layout="NHWC", dtype=TensorProto.UINT8, size=None, normalise=(120, 60))
    wishes = Wishes(size=48)
    bundle = export_file(file, tmp_path / "bundle", wishes, About(), Fitting(tmp_path / "pictures")).bundle
    build(Plan(tmp_path / "pictures", tmp_path / "index", bundle=str(bundle.path), threads=1), Progress())
    body = (tmp_path / "pictures" / "7.png").read_bytes()
    expected = own_vector(file, np.asarray(Image.open(BytesIO(body)).convert("RGB"))[None])[0]
    with serving(tmp_path / "index") as server:
        embedding = _json(server.http, "/embed", body)["items"][0]["embedding"]
        match = _json(server.http, "/search", body)["items"][0]["matches"][0]
    assert np.dot(embedding, expected) >= 0.99999
    assert (match["key"], match["verdict"]) == ("7.png", "exact")
    assert match["probability"] is not None, "the bundle is calibrated"


def _json(http: httpx.Client, call: str, body: bytes) -> dict:
    answer = http.post(call, content=body, headers={"Content-Type": "image/png"})
    assert answer.status_code == 200, answer.text
    return answer.json()
