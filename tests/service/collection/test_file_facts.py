"""Size, date and camera of a file are stored when it is added, by builder and service, and filters find them."""

import json

import pytest
from PIL import Image

from copysight.client import Client
from copysight.index import Index, export_items, import_items
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.stages.plan import Plan
from tests.conftest import encoded
from tests.service.conftest import serving

MAKE, MODEL, DATE_TIME, EXIF, DATE_ORIGINAL = 0x010F, 0x0110, 0x0132, 0x8769, 0x9003


def photographed(picture, taken, camera, maker="Acme"):
    exif = Image.Exif()
    exif[MAKE], exif[MODEL] = maker, camera
    exif.get_ifd(EXIF)[DATE_ORIGINAL] = taken
    return encoded(picture, exif=exif)


@pytest.fixture(scope="module")
def collection(tmp_path_factory, tiny_bundle, drawn):
    folder, index = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("facts") / "index"
    for year in (2024, 2025, 2026):
        (folder / str(year)).mkdir()
        (folder / f"{year}/a.jpg").write_bytes(photographed(drawn(year), f"{year}:05:01 12:30:00", "C1"))
    (folder / "2026/b.jpg").write_bytes(encoded(drawn(1)))
    (folder / "2026/odd.jpg").write_bytes(photographed(drawn(2), "0000:00:00 00:00:00", "\x01C\x7f9\0", "Acme\n"))
    build(Plan(folder, index, bundle=str(tiny_bundle.path), threads=1), Progress(quiet=True))
    return folder, index


def found(server, **filter_):
    answer = server.http.get("/images", params={"filter": json.dumps(filter_)})
    assert answer.status_code == 200, answer.text
    return {item["key"]: item for item in answer.json()["items"]}


@pytest.mark.parametrize("decode", ["thread", "process"])
def test_pictures_are_found_by_folder_date_camera_and_size(collection, drawn, decode):
    folder, index = collection
    with serving(index, decode=decode) as server:
        data = photographed(drawn(9), "2023:02:03 04:05:06", "C2")
        added = server.http.post("/images", files={"file": data}, data={"key": "new/one.jpg"}).json()
        assert (added["taken"], added["camera"], added["bytes"]) == ("2023-02-03T04:05:06", "Acme C2", len(data))
        assert found(server, prefix=["key", "2026/"]).keys() == {"2026/a.jpg", "2026/b.jpg", "2026/odd.jpg"}
        assert found(server, range=["taken", None, "2024-12-31"]).keys() == {"new/one.jpg", "2024/a.jpg"}
        assert found(server, prefix=["taken", "2025-05"]).keys() == {"2025/a.jpg"}
        cameras = {"or": [{"eq": ["camera", "Acme C2"]}, {"eq": ["camera", "Acme C9"]}]}
        assert found(server, **cameras).keys() == {"new/one.jpg", "2026/odd.jpg"}
        rest = found(server, **{"not": {"prefix": ["camera", "Acme"]}})
        assert rest.keys() == {"2026/b.jpg"}
        assert rest["2026/b.jpg"]["bytes"] == (folder / "2026/b.jpg").stat().st_size
        assert (rest["2026/b.jpg"]["taken"], rest["2026/b.jpg"]["camera"]) == (None, None)
        assert found(server, range=["width", 10_000, None]) == {}
        search = {"k": 10, "filter": json.dumps({"prefix": ["key", "2026/"]})}
        answer = server.http.post("/search", params=search, files={"file": data}).json()
        assert {one["key"] for one in answer["items"][0]["matches"]} == {"2026/a.jpg", "2026/b.jpg", "2026/odd.jpg"}
        with Client(str(server.http.base_url)) as client:
            assert [one.key for one in client.items(filter={"eq": ["camera", "Acme C2"]})] == ["new/one.jpg"]
            assert client.page(filter={"prefix": ["key", "2025/"]}).items[0].taken == "2025-05-01T12:30:00"
        wrong = server.http.get("/images", params={"filter": '{"eq": ["album", 1]}'})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_argument")
        server.http.delete(f"/images/{added['id']}")


def test_exports_and_imports_keep_the_facts_also_those_without(collection, tmp_path):
    _, index = collection
    facts = lambda opened: {one.key: (one.bytes, one.taken, one.camera) for one in opened.catalog.page(limit=99)}  # noqa: E731
    with Index.open(index) as opened:
        before, bundle = facts(opened), opened.bundle.path
        for target in ("all.parquet", "all"):
            export_items(opened, tmp_path / target)
    assert before["2024/a.jpg"][1:] == ("2024-05-01T12:30:00", "Acme C1")
    assert before["2026/odd.jpg"][1:] == (None, "Acme C9")
    for target in ("all.parquet", "all"):
        with Index.create(tmp_path / f"copy-of-{target}", bundle) as copy:
            import_items(copy, tmp_path / target)
            assert facts(copy) == before
