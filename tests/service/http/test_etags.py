"""``If-None-Match`` against a slow parser of RFC 9110, section 8.8.3."""

from itertools import product

import pytest
from starlette.requests import Request

from service.http.etags import unchanged


def request(*values):
    return Request({"type": "http", "headers": [(b"if-none-match", value.encode()) for value in values]})


@pytest.mark.parametrize("etag", ['"a"', 'W/"a"'])
def test_lists_of_up_to_three_tags(etag):
    tags = ['"a"', 'W/"a"', '"b"', '"a,b"', '""', '"*"']
    for count in (1, 2, 3):
        for given in product(tags, repeat=count):
            wanted = any(one.removeprefix("W/") == '"a"' for one in given)
            for joined in (",".join(given), " , ".join(given)):
                assert unchanged(request(joined), etag) is wanted, joined
            assert unchanged(request(*given), etag) is wanted


@pytest.mark.parametrize(("value", "answer"), [("*", True), (" * ", True), ("", False), ("a", False), ('"a', False)])
def test_single_values(value, answer):
    assert unchanged(request(value), '"a"') is answer


def test_no_header():
    assert not unchanged(request(), '"a"')
