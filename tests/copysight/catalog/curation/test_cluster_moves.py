"""Pictures that people have moved to another cluster: by their bytes, with undo, in old catalogs, over rebuilds."""

import numpy as np
import pytest
import sqlalchemy as sa

from copysight.catalog.audit.audit import AuditFilter
from copysight.catalog.curation.cluster_moves import FIRST_NEW, MOST_ITEMS, NEW, Placement
from copysight.curation import derived
from copysight.errors import InvalidArgument, ItemNotFound
from copysight.index import Index, backup, publish, restore


@pytest.fixture
def index(tmp_path, graphless, item):
    """Ten items, of which 9 has the bytes of 1, in clusters of a generation; another one came later."""
    with Index.create(tmp_path / "index", graphless.path) as made:
        new = [item(f"{i}", i % 8) for i in range(9)]
        made.catalog.add(new, model=made.bundle.id)
        publish(made, clusters=3)
        made.catalog.add([item("later", 30)], model=made.bundle.id)
        yield made


def moved(index):
    found = index.catalog.moves.all()
    return dict(zip(found.ids.tolist(), found.clusters.tolist(), strict=True))


def test_items_of_equal_bytes_move_together_and_back(index):
    moves = index.catalog.moves
    done = moves.put([Placement((1, 3), 2), Placement((4,), NEW)], "curator")
    assert done.made == (Placement((1, 3), 2), Placement((4,), FIRST_NEW))
    assert moved(index) == {1: 2, 9: 2, 3: 2, 4: FIRST_NEW}
    assert moves.put([Placement((5,), NEW)]).made[0].to == FIRST_NEW + 1
    again = moves.put([Placement((1, 4, 6), None)])
    assert moved(index) == {3: 2, 5: FIRST_NEW + 1}
    moves.put(again.before)
    assert moved(index) == {1: 2, 9: 2, 3: 2, 4: FIRST_NEW, 5: FIRST_NEW + 1}
    moves.put([Placement((5,), None)])
    moves.put(done.before)
    assert moved(index) == {}
    entries = index.catalog.audit.page(AuditFilter(action="cluster"))
    assert [one["action"] for one in entries[:2]] == ["cluster.move"] * 2
    assert (entries[0]["by"], entries[0]["items"], entries[0]["detail"]) == ("curator", [[1, 1], [3, 3]], {"to": 2})


def test_wrong_moves_change_nothing(index):
    for placements, error in (
        ([], InvalidArgument),
        ([Placement((), 1)], InvalidArgument),
        ([Placement((1,) * (MOST_ITEMS + 1), 1)], InvalidArgument),
        ([Placement((2,), 1), Placement((1, 99), 1)], ItemNotFound),
    ):
        with pytest.raises(error):
            index.catalog.moves.put(placements)
    assert moved(index) == {}


def test_the_clusters_are_those_of_people_and_stay_over_a_rebuild(index, unit):
    before = index.snapshot()
    clusters = {one.id: one.size for one in before.clusters()}
    sources = {match.id: one for one in clusters for match in before.members(one)}
    assert index.snapshot().clustered() == before
    target = sources[2]
    other = next(number for number, one in sources.items() if one != target and number not in {1, 4, 9})
    index.catalog.moves.put([Placement((other,), target), Placement((1, 4), NEW)])
    index.catalog.moves.put([Placement((10,), target)])  # in no generation yet
    for turn in range(2):
        after = index.snapshot().clustered()
        sizes = {one.id: one.size for one in after.clusters()}
        assert other in {match.id for match in after.members(target)}
        assert sum(sizes.values()) == 9 + turn
        assert (10 in {match.id for match in after.members(target)}) == (turn == 1)
        made = after.members(FIRST_NEW)
        assert ({match.id for match in made}, sizes[FIRST_NEW]) == ({1, 4, 9}, 3)
        centre = unit(0) + unit(0) + unit(3)
        centre = centre / np.linalg.norm(centre)
        assert made[0].similarity == pytest.approx(float(unit(0) @ centre), abs=1e-5)
        [nearest] = after.assign(centre[None].astype(np.float32))
        assert (nearest.id, nearest.size) == (FIRST_NEW, 3)
        exported = derived.derive(index, None)
        assert [exported.rows[number]["cluster"] for number in (1, other, 4)] == [FIRST_NEW, target, FIRST_NEW]
        publish(index, clusters=3)
    assert {one.id: one.size for one in before.clusters()} == clusters  # a snapshot never changes


def test_pictures_stay_together_where_no_rebuild_keeps_their_cluster(index):
    index.catalog.moves.put([Placement((2, 5), 777)])
    assert {match.id for match in index.snapshot().clustered().members(777)} == {2, 5}


def test_a_catalog_of_version_8_gets_the_table(index, tmp_path):
    directory = index.directory
    with index.catalog._database.write() as connection:
        connection.execute(sa.text("DROP TABLE cluster_moves"))
        connection.execute(sa.text("UPDATE state SET version = 8"))
    with Index.open(directory) as again:
        again.catalog.moves.put([Placement((2,), NEW)])
        assert moved(again) == {2: FIRST_NEW}
        backup(again, tmp_path / "saved")
    restore(tmp_path / "saved", tmp_path / "restored", allow_missing=True)
    with Index.open(tmp_path / "restored") as restored:
        assert moved(restored) == {2: FIRST_NEW}
