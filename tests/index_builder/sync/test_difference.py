"""What a sync moves, replaces, adds and removes: bytes count before names."""

import numpy as np
import pytest

from copysight.catalog.relocation import Known
from index_builder.sync.difference import Unread, compare


def items(**shas):
    return [Known(number, key, sha, None) for number, (key, sha) in enumerate(shas.items(), start=1)]


def difference(known, files, unread=(), elsewhere=()):
    return compare(known, files, set(unread).__contains__, lambda item: item.key not in elsewhere)


def moves(found):
    return {item.key: key for item, key in found.moved}


def test_a_renamed_file_moves_and_nothing_else_changes():
    found = difference(items(a="1", b="2"), {"c": "1", "b": "2"})
    assert (moves(found), found.unchanged) == ({"a": "c"}, ("b",))
    assert (found.replaced, found.created, found.vanished) == ((), (), ())


def test_two_files_that_change_names_both_move():
    assert moves(difference(items(a="1", b="2"), {"a": "2", "b": "1"})) == {"a": "b", "b": "a"}


def test_bytes_count_before_names_when_a_moved_file_leaves_another_in_its_place():
    found = difference(items(a="1"), {"a": "9", "b": "1"})
    assert (moves(found), found.created, found.replaced) == ({"a": "b"}, ("a",), ())


def test_a_file_that_overwrites_another_takes_its_key_and_the_other_leaves():
    found = difference(items(a="1", b="2"), {"b": "1"})
    assert (moves(found), [one.key for one in found.vanished]) == ({"a": "b"}, ["b"])


def test_an_overwritten_file_is_replaced_and_a_copy_is_added():
    found = difference(items(a="1", b="2"), {"a": "3", "b": "2", "c": "2"})
    assert (found.replaced, found.created, moves(found)) == (("a",), ("c",), {})


def test_of_equal_files_those_with_the_most_similar_names_are_paired():
    known = [Known(1, "x/Sea.jpg", "1", None), Known(2, "x/dune.jpg", "1", None), Known(3, "y/z.jpg", "1", None)]
    found = difference(known, {"x/sea.jpg": "1", "w/dune.jpg": "1", "y/new.jpg": "1"})
    assert moves(found) == {"x/Sea.jpg": "x/sea.jpg", "x/dune.jpg": "w/dune.jpg", "y/z.jpg": "y/new.jpg"}


def test_what_cannot_be_read_and_what_is_not_of_the_folder_stays():
    found = difference(items(a="1", b="2", c="3"), {}, unread=["a"], elsewhere=["b"])
    assert [[one.key for one in part] for part in (found.unread, found.elsewhere, found.vanished)] == [
        ["a"], ["b"], ["c"],
    ]  # fmt: skip
    assert found.known == 2


def test_keys_below_a_folder_that_cannot_be_read():
    unread = Unread({"a.jpg"}, ["disk/"])
    assert [key in unread for key in ("a.jpg", "b.jpg", "disk/b.jpg", "disk2/b.jpg")] == [True, False, True, False]
    assert "anything" in Unread((), [""])


@pytest.mark.parametrize("seed", range(200))
def test_the_changes_lead_to_the_folder_and_keep_as_many_items_as_they_can(seed):
    rng = np.random.default_rng(seed)
    keys, shas = "abcdefgh", "123456"
    known = [Known(i, key, str(rng.choice(list(shas))), None) for i, key in enumerate(keys) if rng.random() < 0.7]
    files = {key: str(rng.choice(list(shas))) for key in keys if rng.random() < 0.7}
    found = difference(known, files)
    after = {one.key: one for one in known}
    for item in [*found.vanished, *(one for one, _ in found.moved)]:
        del after[item.key]
    after = {key: one.sha256 for key, one in after.items()}
    for item, key in found.moved:
        assert key not in after
        after[key] = item.sha256
    assert not set(found.created) & set(after)
    assert set(found.replaced) <= set(after)
    after |= {key: files[key] for key in (*found.created, *found.replaced)}
    assert after == files
    for sha in shas:
        wanted = min(sum(one.sha256 == sha for one in known), list(files.values()).count(sha))
        moved = sum(one.sha256 == sha for one, _ in found.moved)
        assert moved + sum(files[key] == sha for key in found.unchanged) == wanted
