"""`Index.unchanged` returns the last snapshot only while no process has changed the index."""

from collections.abc import Callable

from copysight.index import Index, publish


def test_a_write_through_another_handle_is_detected(index: Index, add: Callable) -> None:
    assert index.unchanged() is index.snapshot()
    with Index.open(index.directory) as other:
        add(other, 1, 2)
    assert index.unchanged() is None
    found = index.snapshot()
    assert found.count == 2
    assert index.unchanged() is found


def test_a_new_generation_is_detected(index: Index, add: Callable) -> None:
    add(index, 1, 2)
    before = index.snapshot()
    with Index.open(index.directory) as other:
        made = publish(other)
    assert before.generation is None
    assert index.unchanged() is None
    found = index.reload()
    assert found.generation is not None
    assert found.generation.name == made.name
    assert index.unchanged() is found
