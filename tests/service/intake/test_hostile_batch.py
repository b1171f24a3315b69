"""A 1x1 picture, a decompression bomb and a truncated file among thirty good pictures: only three clear errors."""

import pytest
from PIL import Image

from tests.copysight.pictures.test_decode import bomb
from tests.service.conftest import serving

PLACES = {3: "picture_too_small", 11: "too_many_pixels", 20: "corrupt_picture"}
CALLS = ("/embed?include=clusters,search", "/search?k=3", "/clusters", "/attention")


@pytest.fixture
def batch(pictures, jpeg):
    """Thirty-three files; ``PLACES`` says which of them are bad."""
    files = [(pictures / f"{number % 12}.jpg").read_bytes() for number in range(30)]
    bad = [jpeg(Image.new("RGB", (1, 1)), "PNG"), bomb(60_000), files[0][: len(files[0]) // 2]]
    for place, data in zip(PLACES, bad, strict=True):
        files.insert(place, data)
    return files


@pytest.mark.parametrize("decode", ["thread", "process"])
def test_good_pictures_get_their_usual_answers(decode, index, batch, pictures):
    """The usual answers are those that each good picture gets alone, from the same server, before and after."""
    with serving(index, decode=decode) as server:

        def ask(call, files):
            answer = server.http.post(call, files=[("file", data) for data in files])
            assert answer.status_code == 200, answer.text
            return answer.json()["items"]

        good = [(pictures / f"{number}.jpg").read_bytes() for number in range(12)]
        for call in CALLS:
            before = [ask(call, [data])[0] for data in good]
            items = ask(call, batch)
            bad = {place: item["error"] for place, item in enumerate(items) if "error" in item}
            assert {place: error["code"] for place, error in bad.items()} == PLACES
            assert all(";" in error["detail"] for error in bad.values()), "what was got; what to do"
            right = [item for item in items if "error" not in item]
            assert right == [before[number % 12] for number in range(30)]
            assert [ask(call, [data])[0] for data in good] == before
        metrics = server.http.get("/metrics").text
        assert "copysight_queue_pictures 0.0" in metrics
        assert server.http.get("/readyz").json()["status"] == "ready"


def test_a_hundred_hostile_batches_leak_nothing(index, batch, pictures):
    """Memory, open files and answers stay the same."""
    from pathlib import Path

    good = (pictures / "5.jpg").read_bytes()
    with serving(index) as server:

        def files():
            return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))

        def memory():
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            return int(status.split("VmRSS:")[1].split()[0]) / 1024

        send = [("file", batch[place]) for place in PLACES] + [("file", good)]
        expected = server.http.post("/embed", files=send).json()["items"]
        for _ in range(20):
            server.http.post("/embed", files=send)
        opened, held = files(), memory()
        for _ in range(100):
            assert server.http.post("/embed", files=send).json()["items"] == expected
        assert files() <= opened + 2
        assert memory() < held + 40, "MiB"
