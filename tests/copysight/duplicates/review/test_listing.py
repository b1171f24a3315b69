"""Listings: formed from stored pairs and the catalog as it is now."""

import pytest

from copysight.catalog.curation.decisions import NewDecision
from copysight.catalog.relocation import Move
from copysight.duplicates.pair import Pair
from copysight.duplicates.picture import Picture
from copysight.duplicates.review import result
from copysight.duplicates.review.listing import Review, Wanted, kinds_of
from copysight.duplicates.review.result import Result
from copysight.errors import InvalidArgument
from copysight.index import Index


@pytest.fixture
def index(tmp_path, graphless, item):
    with Index.create(tmp_path / "index", graphless.path) as made:
        made.catalog.add([item(f"{i}.jpg", i) for i in range(6)], model=made.bundle.id)
        yield made


@pytest.fixture
def stored(index, sha):
    """0 and 1 are copies, so are 2 and 3, less probably 2 and 4; 0 is the largest."""
    pictures = tuple(Picture(f"{i}.jpg", sha(i), 60 - i, 40, bytes=1000 * (6 - i)) for i in range(5))
    pairs = (Pair(0, 1, 1.0, "exact"), Pair(2, 3, 0.95, "resized"), Pair(2, 4, 0.6, "part", part=4))
    found = Result(None, 5.0, "000001", 1, index.bundle.id, 0.5, 6, tuple(range(1, 6)), pictures, pairs)
    result.write(index.layout.duplicates, found)
    return found


@pytest.fixture
def listed(index, stored):
    review = Review(index.catalog, index.layout.duplicates)

    def listed(**wanted):
        found = review.listing(review.result(None), Wanted(**wanted))
        path = [one.path for one in found.pictures]
        return [(path[group.keep], [path[one.number] for one in group.members]) for group in found.groups]

    return listed


def test_a_result_is_read_as_it_was_written(index, stored):
    assert result.read(result.path_of(index.layout.duplicates, None)) == stored
    assert Review(index.catalog, index.layout.duplicates).result("other") is None
    result.path_of(index.layout.duplicates, None).write_text('{"format": 1}')
    assert Review(index.catalog, index.layout.duplicates).result(None) is None


def test_probability_verdicts_prefix_and_rules(listed):
    assert listed() == [("0.jpg", ["1.jpg"]), ("2.jpg", ["3.jpg"])]
    assert listed(probability=0.5) == [("0.jpg", ["1.jpg"]), ("2.jpg", ["3.jpg", "4.jpg"])] or listed(
        probability=0.5
    ) == [("2.jpg", ["3.jpg", "4.jpg"]), ("0.jpg", ["1.jpg"])]
    assert listed(kinds=("exact",)) == [("0.jpg", ["1.jpg"])]
    assert listed(prefix="3") == [("2.jpg", ["3.jpg"])]
    assert listed(keep="path=1*,path=3*") == [("1.jpg", ["0.jpg"]), ("3.jpg", ["2.jpg"])]


def test_moves_deletes_replaced_pictures_and_decisions_count_at_once(index, listed, item, sha):
    known = index.catalog.known("default")
    index.catalog.relocate("default", [Move(known[1], "new/1.jpg", None)], [])
    assert listed() == [("0.jpg", ["new/1.jpg"]), ("2.jpg", ["3.jpg"])]
    batch = index.catalog.curation.decide([NewDecision("keep", (sha(3), sha(2)))]).batch
    assert listed()[1] == ("3.jpg", ["2.jpg"])
    index.catalog.curation.undo(batch)
    index.catalog.add([item("3.jpg", 30)], model=index.bundle.id, replace=True)
    assert listed() == [("0.jpg", ["new/1.jpg"])]
    index.catalog.curation.decide([NewDecision("not_duplicates", (sha(0), sha(1)))])
    assert listed() == []


def test_removed_copies_are_gone_and_come_back(index, listed):
    before = listed()
    batch = index.catalog.curation.decide([], removed=[2]).batch
    assert listed() == before[1:]
    index.catalog.curation.undo(batch)
    assert listed() == before


def test_verdicts_are_checked():
    assert kinds_of("part, exact") == ("exact", "part")
    with pytest.raises(InvalidArgument, match="got the verdict 'copy'"):
        kinds_of("exact,copy")
