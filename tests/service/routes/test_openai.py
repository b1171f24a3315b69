"""The official client of OpenAI's API against a real server."""

import base64

import httpx
import numpy as np
import openai
import pytest

from tests.service.conftest import PICTURES


def uri(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


@pytest.fixture(scope="module")
def client(shared):
    # Its own HTTP client, because the default one reads proxies from the environment.
    with openai.OpenAI(base_url=f"{shared.url}/v1", api_key="none", http_client=httpx.Client(trust_env=False)) as made:
        yield made


@pytest.fixture(scope="module")
def files(pictures):
    return [(pictures / f"{number}.jpg").read_bytes() for number in range(PICTURES)]


@pytest.mark.parametrize("form", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_embeddings_are_those_of_embed(client, http, files, form):
    answer = client.embeddings.create(model="copysight", input=[uri(data) for data in files[:3]], **form)
    own = http.post("/embed", files=[("file", data) for data in files[:3]]).json()
    vectors = [one.embedding for one in answer.data]
    if form.get("encoding_format") == "base64":
        vectors = [np.frombuffer(base64.b64decode(text), "<f4") for text in vectors]
    np.testing.assert_allclose(vectors, [item["embedding"] for item in own["items"]], atol=1e-6)
    assert [one.index for one in answer.data] == [0, 1, 2]
    assert answer.model == own["model"]
    assert answer.usage.total_tokens == 0


def test_a_single_picture(client, files, tiny_bundle):
    answer = client.embeddings.create(model=tiny_bundle.name, input=uri(files[0]), dimensions=tiny_bundle.dimension)
    assert len(answer.data[0].embedding) == tiny_bundle.dimension


@pytest.mark.parametrize(
    ("change", "code"),
    [({"model": "text-embedding-3"}, "invalid_argument"), ({"dimensions": 7}, "invalid_argument"),
     ({"input": "a sentence"}, "not_base64"), ({"input": []}, "invalid_argument"),
     ({"input": [[1, 2]]}, "invalid_argument"), ({"input": uri(b"")}, "empty_picture")],
)  # fmt: skip
def test_a_bad_request_is_refused(client, files, change, code):
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(**({"model": "copysight", "input": uri(files[0])} | change))
    assert caught.value.code == code


def test_the_error_names_the_bad_picture(client, files):
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.embeddings.create(model="copysight", input=[uri(files[0]), uri(files[1][:500])])
    assert caught.value.body["message"].startswith("input[1]: ")
    assert caught.value.param == "input[1]"
