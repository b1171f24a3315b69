"""The gate lets through exactly what JSON, Parquet and orjson write and read back unchanged."""

import json
import math
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copysight.errors import InvalidArgument
from copysight.system import exact_json, storable

texts = st.one_of(st.text(), st.text(st.characters(categories=["Cs", "Ll"]), max_size=3))
numbers = st.one_of(st.integers(), st.integers(-(2**66), 2**66), st.floats())
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(texts, part, max_size=3)),
    max_leaves=8,
)


def passes(value: Any) -> bool:
    try:
        storable.check(value, "value")
    except InvalidArgument:
        return False
    return True


def every_door(value: Any) -> bool:
    """The slow, obvious test: write and read it by each door."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        column = pa.array([text], pa.string()).to_pylist()[0]
        read = [json.loads(column), orjson.loads(orjson.dumps(value)), orjson.loads(text)]
    except (ValueError, TypeError):
        return False
    return all(json.dumps(one, sort_keys=True) == json.dumps(value, sort_keys=True) for one in read)


@given(anything)
def test_the_gate_agrees_with_writing_and_reading(value):
    assert passes(value) == every_door(value)


@given(anything)
def test_whatever_is_stored_is_written_as_utf8_json_that_every_parser_reads(value):
    data = exact_json.dumps({"value": value})
    json.loads(data)
    orjson.loads(data)
    storable.dumps(value).encode()
    if passes(value):
        assert json.dumps(exact_json.loads(data)["value"], sort_keys=True) == json.dumps(value, sort_keys=True)


@given(
    st.dictionaries(
        st.text(), st.one_of(st.integers(-(2**80), 2**80), st.floats(allow_nan=False, allow_infinity=False))
    )
)
def test_no_integer_becomes_a_float_while_it_is_read(value):
    data = json.dumps({"metadata": value}).encode()
    for found in (exact_json.loads(data), exact_json.loads(data, "metadata"), exact_json.loads_answer(data)):
        assert found == {"metadata": value}
        assert [type(one) for one in found["metadata"].values()] == [type(one) for one in value.values()]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [1, {"b": 2**64}]}, r"65 bits as value\.a\[1\]\.b"),
        ({"a": math.nan}, r"nan as value\.a"),
        ({"a\ud800": 1}, "half a character"),
        ({1: 2}, "all names must be texts"),
        ({"a": {1, 2}}, "type set as value.a"),
        ({"a": 10**9000}, "29898 bits"),
    ],
)
def test_an_error_names_the_place(value, place):
    with pytest.raises(InvalidArgument, match=place):
        storable.check(value, "value")


def test_a_number_of_thousands_of_digits_in_a_catalog_is_read_as_text():
    assert storable.loads('{"a": 1' + "0" * 5000 + ', "b": 2}') == {"a": "1" + "0" * 5000, "b": 2}
    with pytest.raises(orjson.JSONDecodeError):  # answered with 400
        exact_json.loads('{"b": 1' + "0" * 5000 + "}")
