"""Filters match the same items as a plain loop over the metadata, and malformed filters are rejected."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from copysight.catalog import Catalog
from copysight.errors import InvalidArgument

MODEL = "a" * 64
ROWS: list[dict[str, Any]] = [
    {"colour": "red", "year": 1999, "sold": True},
    {"colour": "blue", "year": 2004.5, "sold": False},
    {"colour": ["red", "blue"], "year": 2010},
    {"colour": "Red", "year": "1999"},
    {"colour": None, "year": -3, "sold": 1},
    {},
]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory, item: Callable) -> Iterator[Catalog]:
    path: Path = tmp_path_factory.mktemp("filters") / "catalog.sqlite"
    made = Catalog.create(path, MODEL)
    made.add([item(f"{i}", i, metadata=row) for i, row in enumerate(ROWS[:3])], model=MODEL)
    for field in ("colour", "year", "sold"):
        made.fields.declare(field)
    made.add([item(f"{i}", i, metadata=row) for i, row in enumerate(ROWS) if i >= 3], model=MODEL)
    yield made
    made.close()


def kept(catalog: Catalog, tree: object) -> set[int]:
    return {int(found.key) for found in catalog.get_many(catalog.matching(tree).tolist()).values()}


def fits(row: dict[str, Any], tree: dict[str, Any]) -> bool:
    """The slow, obvious implementation of a filter."""
    ((word, content),) = tree.items()
    if word == "and":
        return all(fits(row, part) for part in content)
    if word == "or":
        return any(fits(row, part) for part in content)
    if word == "not":
        return not fits(row, content)
    value = row.get(content[0])
    values = [v for v in (value if isinstance(value, list) else [value]) if v is not None]
    if word == "eq":
        return any(same(v, content[1]) for v in values)
    if word == "in":
        return any(same(v, one) for v in values for one in content[1])
    if word == "prefix":
        return any(isinstance(v, str) and v.startswith(content[1]) for v in values)
    low, high = content[1], content[2]
    kind = low if low is not None else high
    fitting = [v for v in values if isinstance(v, str) == isinstance(kind, str) and not isinstance(v, bool)]
    return any((low is None or low <= v) and (high is None or v <= high) for v in fitting)


def same(a: object, b: object) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


numbers = st.one_of(st.integers(-5, 2015), st.sampled_from([1999, 2004.5, 1, 0]))
texts = st.sampled_from(["red", "blue", "Red", "1999", "", "x' OR 1=1 --"])
scalars = st.one_of(numbers, texts, st.booleans())
fields = st.sampled_from(["colour", "year", "sold"])
leaves = st.one_of(
    st.builds(lambda f, v: {"eq": [f, v]}, fields, scalars),
    st.builds(lambda f, v: {"in": [f, v]}, fields, st.lists(scalars, max_size=4)),
    st.builds(lambda f, v: {"prefix": [f, v]}, fields, texts),
    *(
        st.builds(lambda f, a, b: {"range": [f, a, b]}, fields, *ends)
        for kind in (numbers, texts)
        for ends in [(kind, kind), (kind, st.none()), (st.none(), kind)]
    ),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda word, p: {word: p}, st.sampled_from(["and", "or"]), st.lists(inner, max_size=3)),
        st.builds(lambda p: {"not": p}, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees)
def test_filters_match_the_same_items_as_a_plain_loop(catalog: Catalog, tree: dict[str, Any]) -> None:
    try:
        found = kept(catalog, tree)
    except InvalidArgument as error:
        assert "nested" in error.message  # noqa: PT017 - depth is the only fault that these trees can have
        return
    assert found == {i for i, row in enumerate(ROWS) if fits(row, tree)}


@pytest.mark.parametrize(
    "tree",
    [
        "eq",
        [],
        {},
        {"eq": ["colour", "red"], "in": ["colour", []]},
        {"or": {}},
        {"xor": []},
        {"not": []},
        {"not": [{"eq": ["colour", "red"]}]},
        {"prefix": ["colour"]},
        {"prefix": ["colour", 3]},
        {"prefix": ["colour", None]},
        {"prefix": ["folder", "a"]},
        {"and": [{"or": [{"eq": ["colour", "red"]}] * 32}] * 16},
        {"or": [{"and": [{"in": ["colour", ["x"] * 1000]}] * 2}] * 17},
        {"eq": "colour"},
        {"eq": ["colour"]},
        {"eq": ["secret", 1]},
        {"eq": ["colour; DROP TABLE items", 1]},
        {"eq": [["colour"], 1]},
        {"eq": ["colour", None]},
        {"eq": ["colour", {"a": 1}]},
        {"eq": ["year", float("nan")]},
        {"eq": ["year", float("inf")]},
        {"eq": ["year", 2**64]},
        {"eq": ["year", 10**5000]},
        {"eq": ["year", -(2**63) - 1]},
        {"eq": ["year", 2.0**54]},
        {"eq": ["colour", "\ud800"]},
        {"eq": ["colour", "x" * 5000]},
        {"in": ["colour", "red"]},
        {"in": ["colour", ["x"] * 1001]},
        {"range": ["year", None, None]},
        {"range": ["year", 1, "x"]},
        {"range": ["sold", True, False]},
        {"and": {"eq": ["colour", "red"]}},
        {"and": [{"eq": ["colour", "red"]}] * 33},
        {"and": [{"and": [{"and": [{"and": [{"and": []}]}]}]}]},
        {"not": {"not": {"not": {"not": {"not": {"eq": ["colour", "red"]}}}}}},
    ],
)
def test_malformed_filters_are_rejected(catalog: Catalog, tree: object) -> None:
    with pytest.raises(InvalidArgument):
        catalog.matching(tree)


LARGE = [0, 2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1]
LARGE = sorted({*LARGE, *(-value for value in LARGE if value <= 2**63)})


def test_integers_beyond_2_53_are_compared_exactly(tmp_path: Path, item: Callable) -> None:
    catalog = Catalog.create(tmp_path / "catalog.sqlite", MODEL)
    catalog.fields.declare("n")
    catalog.add([item(f"{value}", i, metadata={"n": [value]}) for i, value in enumerate(LARGE)], model=MODEL)
    assert [catalog.get(i).metadata["n"] for i in range(1, len(LARGE) + 1)] == [[value] for value in LARGE]
    for value in LARGE:
        assert kept(catalog, {"eq": ["n", value]}) == {value}
        assert kept(catalog, {"in": ["n", [value, 7, "x"]]}) == {value}
        assert kept(catalog, {"range": ["n", value, None]}) == {one for one in LARGE if one >= value}
        assert kept(catalog, {"range": ["n", None, value]}) == {one for one in LARGE if one <= value}
    catalog.close()


def test_filters_follow_changes_of_metadata_items_and_fields(tmp_path: Path, item: Callable) -> None:
    catalog = Catalog.create(tmp_path / "catalog.sqlite", MODEL)
    catalog.fields.declare("n")
    catalog.fields.declare("n")
    one, two = (a.item.id for a in catalog.add([item(f"{i}", i, metadata={"n": i}) for i in range(2)], model=MODEL))
    catalog.set_metadata(one, {"n": 7})
    assert catalog.matching({"eq": ["n", 7]}).tolist() == [one]
    assert catalog.matching({"eq": ["n", 0]}).tolist() == []
    catalog.delete([one])
    assert catalog.matching({"range": ["n", 0, None]}).tolist() == [two]
    assert catalog.matching({"range": ["n", 0, None]}, "elsewhere").tolist() == []
    catalog.fields.remove("n")
    with pytest.raises(InvalidArgument, match="declared: none"):
        catalog.matching({"eq": ["n", 1]})
    with pytest.raises(InvalidArgument):
        catalog.fields.remove("n")
    assert catalog.faults() == []
    catalog.close()


KEYS = [
    "2026/a.jpg",
    "2026/b/c.jpg",
    "2026b/a.jpg",
    "2025/x.jpg",
    "Ä/1.jpg",
    "ä/\U0001f600.jpg",
    "\ud7ff/x",
    "\U0010ffff/x",
]


def test_every_picture_can_be_filtered_by_folder_date_camera_and_size(tmp_path: Path, item: Callable) -> None:
    catalog = Catalog.create(tmp_path / "catalog.sqlite", MODEL)
    rows = [(f"{2020 + i}-05-01T12:30:00" if i % 2 else None, "Acme C1" if i < 3 else None) for i in range(len(KEYS))]
    catalog.add(
        [
            item(key, i, taken=taken, camera=camera, bytes=1000 * i)
            for i, (key, (taken, camera)) in enumerate(zip(KEYS, rows, strict=True))
        ],
        model=MODEL,
    )

    def keys(tree: object, collection: str | None = None) -> set[str]:
        return {one.key for one in catalog.get_many(catalog.matching(tree, collection).tolist()).values()}

    for text in ("2026/", "2026", "", "Ä", "ä/\U0001f600", "\ud7ff", "\U0010ffff", "\U0010ffff\U0010ffff", "zz"):
        assert keys({"prefix": ["key", text]}) == {key for key in KEYS if key.startswith(text)}, text
        assert keys({"prefix": ["key", text]}, "default") == {key for key in KEYS if key.startswith(text)}
    assert keys({"range": ["taken", "2021", "2023-12-31T23:59:59"]}) == {KEYS[1], KEYS[3]}
    assert keys({"prefix": ["taken", "2025-05"]}) == {KEYS[5]}
    assert keys({"eq": ["camera", "Acme C1"]}) == set(KEYS[:3])
    assert keys({"not": {"eq": ["camera", "Acme C1"]}}) == set(KEYS[3:]), "also those without a camera"
    assert keys({"range": ["bytes", 2000, 4000]}) == set(KEYS[2:5])
    assert keys({"range": ["width", 1, 2**64 - 1]}) == set(KEYS)
    assert keys({"eq": ["bytes", 2**64 - 1]}) == keys({"eq": ["bytes", "1000"]}) == set()
    assert keys({"range": ["width", "a", "z"]}) == keys({"prefix": ["height", "1"]}) == set()
    assert keys({"or": [{"prefix": ["key", "2025/"]}, {"in": ["bytes", [0, 1000, True]]}]}) == {*KEYS[:2], KEYS[3]}
    page = catalog.page(filter={"prefix": ["key", "2026"]}, limit=2)
    assert [one.key for one in page] == KEYS[:2]
    assert [one.key for one in catalog.page(filter={"prefix": ["key", "2026"]}, after=page[-1].id)] == [KEYS[2]]
    catalog.close()


def test_a_declared_field_goes_before_a_fact_of_the_same_name(tmp_path: Path, item: Callable) -> None:
    catalog = Catalog.create(tmp_path / "catalog.sqlite", MODEL)
    catalog.add([item("a", 1, metadata={"camera": "mine"}, camera="Acme C1")], model=MODEL)
    assert catalog.matching({"eq": ["camera", "Acme C1"]}).tolist() == [1]
    catalog.fields.declare("camera")
    assert catalog.matching({"eq": ["camera", "Acme C1"]}).tolist() == []
    assert catalog.matching({"eq": ["camera", "mine"]}).tolist() == [1]
    catalog.close()
