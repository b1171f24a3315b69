"""What was used latest is kept, within the bytes."""

from concurrent.futures import ThreadPoolExecutor

from copysight.system.latest import Latest


def test_the_latest_are_kept_within_the_bytes():
    kept = Latest[bytes](1000, len, largest=125)
    for number in range(12):
        kept.put(f"{number}", bytes(100))
        kept.get("0")
    assert kept.bytes == 1000
    assert kept.get("0") is not None  # used all the time
    assert kept.get("1") is None
    assert kept.get("11") is not None
    kept.drop("0")
    assert kept.get("0") is None
    assert kept.bytes == 900


def test_large_values_are_not_kept():
    kept = Latest[bytes](1000, len, largest=125)
    kept.put("large", bytes(126))
    assert kept.get("large") is None
    none = Latest[bytes](0, len)
    none.put("x", b"x")
    assert (none.get("x"), none.bytes) == (None, 0)


def test_a_new_value_takes_the_place_of_the_old_one():
    kept = Latest[bytes](1000, len)
    kept.put("x", bytes(600))
    kept.put("x", bytes(500))
    assert (len(kept.get("x")), kept.bytes) == (500, 500)


def test_threads():
    kept = Latest[bytes](1000, len)

    def use(number):
        kept.put(f"{number % 30}", bytes(number % 90))
        kept.get(f"{number % 7}")
        kept.drop(f"{number % 11}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(5000)))
    assert 0 <= kept.bytes <= 1000
    for number in range(30):
        kept.drop(f"{number}")
    assert kept.bytes == 0
