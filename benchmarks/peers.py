"""Serve an embedding model over HTTP without Copysight: FastAPI or LitServe, tuned as their documentation advises.

    python -m benchmarks.peers torch|onnx|litserve GRAPH PORT      (torch: GRAPH is a timm name)

A request has a JPEG as its body (for LitServe, which reads JSON and forms: base64 in JSON). The response is the
embedding as JSON. Each model call uses one thread without spinning, and there are as many calls at a time as CPUs.
"""

import base64
import io
import sys
from collections.abc import Callable
from typing import Any

import fastapi
import litserve
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import orjson
import timm
import torch
import uvicorn
from PIL import Image

from copysight.system import processors

Float = npt.NDArray[np.float32]
MEAN, STD = np.asarray([0.485, 0.456, 0.406], np.float32), np.asarray([0.229, 0.224, 0.225], np.float32)
BATCH, WAIT = 8, 0.005


def main() -> None:
    kind, model, port = sys.argv[1:]
    if kind == "litserve":
        _litserve(model, int(port))
    else:
        uvicorn.run(_app(_torch(model) if kind == "torch" else _onnx(model)), port=int(port), access_log=False)


def preprocess(data: bytes) -> Float:
    """Decode a JPEG, resize its shortest side to 256, crop the centre and normalise it: (3, 224, 224)."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    scale = 256 / min(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
    left, top = (picture.width - 224) // 2, (picture.height - 224) // 2
    pixels = np.asarray(picture.crop((left, top, left + 224, top + 224)), np.float32) / np.float32(255)
    return np.ascontiguousarray(((pixels - MEAN) / STD).transpose(2, 0, 1))


def make_session(graph: str) -> ort.InferenceSession:
    """Return a session with one thread per call and without spinning."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _onnx(graph: str) -> Callable[[Float], Float]:
    model = make_session(graph)
    return lambda batch: np.asarray(model.run(["embedding"], {"pictures": batch})[0])


def _torch(name: str) -> Callable[[Float], Float]:
    torch.set_num_threads(1)
    model = timm.create_model(name, pretrained=False, num_classes=0).eval()

    def run(batch: Float) -> Float:
        with torch.inference_mode():
            return np.asarray(torch.nn.functional.normalize(model(torch.from_numpy(batch))).numpy())

    return run


def _app(model: Callable[[Float], Float]) -> fastapi.FastAPI:
    app = fastapi.FastAPI()

    # Not async, so FastAPI runs it in its thread pool, as its documentation advises for blocking work.
    def answer(data: bytes) -> fastapi.Response:
        body = orjson.dumps({"embedding": model(preprocess(data)[None])[0]}, option=orjson.OPT_SERIALIZE_NUMPY)
        return fastapi.Response(body, media_type="application/json")

    async def body(request: fastapi.Request) -> bytes:
        return await request.body()

    def embed(data: bytes = fastapi.Depends(body)) -> fastapi.Response:
        return answer(data)

    app.post("/embed")(embed)
    return app


class _Embed(litserve.LitAPI):  # type: ignore[misc]
    """The same service for LitServe, with its batching."""

    def setup(self, _device: str) -> None:
        self.model = _onnx(self.graph)

    def decode_request(self, request: dict[str, str], **_: Any) -> Float:
        return preprocess(base64.b64decode(request["image"]))

    def batch(self, inputs: list[Float]) -> Float:
        return np.stack(inputs)

    def predict(self, batch: Float, **_: Any) -> Float:
        return self.model(batch)

    def unbatch(self, output: Float) -> list[Float]:
        return list(output)

    def encode_response(self, output: Float, **_: Any) -> dict[str, list[float]]:
        return {"embedding": output.tolist()}


def _litserve(graph: str, port: int) -> None:
    api = _Embed(max_batch_size=BATCH, batch_timeout=WAIT, api_path="/embed")
    api.graph = graph
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=processors.available())
    server.run(port=port, num_api_servers=1, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
