"""How much a picture holds is stored with it, and a picture that holds next to nothing is no copy of anything."""

import pytest
from PIL import Image, ImageDraw

from copysight.index import Index, export_items, import_items
from index_builder.build import build
from index_builder.progress import Progress
from index_builder.stages.plan import Plan
from tests.service.conftest import serving

JPEG = {"content-type": "image/jpeg"}


def blank(level):
    """A page with one short line at its foot."""
    page = Image.new("RGB", (300, 400), (level, level, level))
    ImageDraw.Draw(page).line((140, 390, 160, 390), fill=(200, 200, 200))
    return page


@pytest.fixture(scope="module")
def collection(tmp_path_factory, tiny_bundle, drawn, jpeg):
    folder, index = tmp_path_factory.mktemp("some"), tmp_path_factory.mktemp("held") / "index"
    for seed in range(110):
        (folder / f"{seed}.jpg").write_bytes(jpeg(drawn(seed)))
    (folder / "blank.jpg").write_bytes(jpeg(blank(255)))
    build(Plan(folder, index, bundle=str(tiny_bundle.path), threads=1), Progress(quiet=True))
    return index


def test_the_builder_and_the_service_store_it(collection, drawn, jpeg):
    with serving(collection) as server:
        added = server.http.post("/images", files={"file": jpeg(drawn(500))}, data={"key": "new"}).json()
        known = server.http.get("/images", params={"limit": 1000}).json()["items"]
        server.http.delete(f"/images/{added['id']}")
    held = {item["key"]: item["information"] for item in known}
    assert held["blank.jpg"] < 0.03
    assert min(value for key, value in held.items() if key != "blank.jpg") > 0.1
    assert held["new"] > 0.1


def test_a_stored_blank_page_is_a_copy_of_its_own_bytes_alone(collection, jpeg):
    with serving(collection) as server:

        def verdict(data):
            answer = server.http.post("/search", params={"k": 200}, content=data, headers=JPEG).json()
            return next(one for one in answer["items"][0]["matches"] if one["key"] == "blank.jpg")["verdict"]

        assert verdict(jpeg(blank(255))) == "exact"
        assert verdict(jpeg(blank(250))) == "different"


def test_exports_and_imports_keep_it(collection, tmp_path):
    with Index.open(collection) as index:
        before = {item.key: item.information for item in index.catalog.page(limit=1000)}
        export_items(index, tmp_path / "all.parquet")
    assert before["blank.jpg"] is not None
    with Index.create(
        tmp_path / "copy", collection / "bundles" / next((collection / "bundles").iterdir()).name
    ) as copy:
        import_items(copy, tmp_path / "all.parquet")
        assert {item.key: item.information for item in copy.catalog.page(limit=1000)} == before
