"""Near-duplicates in a collection are found by local features, not by their similarity alone."""

import numpy as np

from copysight.matching import verification
from copysight.scoring import near_duplicates
from copysight.scoring.near_duplicates import Share
from tests.copysight.matching.conftest import textured_picture


def units(rows):
    values = np.asarray(rows, np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def finding(pictures, vectors, rows, is_open=None):
    prepared = [verification.prepare(picture) for picture in pictures]
    asked = []

    def picture(row):
        asked.append(row)
        return prepared[row]

    return near_duplicates.find(np.asarray(rows), vectors, picture, is_open), asked


def test_a_copy_is_a_near_duplicate_and_a_similar_picture_is_not():
    pictures = [
        textured_picture(0, 300),
        textured_picture(0, 300).resize((200, 200)),
        textured_picture(1, 300),
        textured_picture(2, 300),
    ]
    vectors = units([[1, 0, 0], [0.9, 0.1, 0], [0.99, 0.01, 0], [0, 0, 1]])
    found, _ = finding(pictures, vectors, [0, 3])
    assert [rows.tolist() for rows in found] == [[1], []]
    assert near_duplicates.share_of(found) == Share(2, 1)


def test_a_group_that_is_larger_than_what_is_verified_counts_as_far_as_it_is_as_similar():
    pictures = [textured_picture(0, 200)] * 60 + [textured_picture(1, 200)] * 5
    vectors = units([[1, 0]] * 50 + [[1, 0.1]] * 10 + [[0.5, 1]] * 5)
    [found], asked = finding(pictures, vectors, [15])
    assert set(found.tolist()) == set(range(50)) - {15}
    assert len(asked) <= near_duplicates.NEAREST + 1


def test_pictures_without_keypoints_need_equal_vectors():
    blank = textured_picture(0, 200).point(lambda _: 128)
    vectors = units([[1, 0], [1, 0], [1, 0.1]])
    found, _ = finding([blank, blank, blank], vectors, [0])
    assert found[0].tolist() == [1]


def test_only_open_pairs_are_verified():
    pictures = [textured_picture(0, 200)] * 3
    vectors = units([[1, 0], [1, 0.1], [0.2, 1]])
    found, asked = finding(pictures, vectors, [0], lambda _vectors, similarities: similarities > 0.9)
    assert found[0].tolist() == [1]
    assert 2 not in asked


def test_the_share_is_an_estimate_for_the_whole_collection():
    assert Share(500, 125).estimate(2000) == 500
    assert Share(0, 0).estimate(2000) == 0


def test_equal_files_need_no_verification():
    """They share their features, which `LocalFeatures` keeps by the sha256 of the file. No pixel is read."""
    features = verification.prepare(textured_picture(0, 200)).features

    def unread():
        raise AssertionError("the pixels were read")

    found = near_duplicates.find(
        np.array([0]), units([[1, 0], [1, 0], [1, 0.01]]), lambda _row: verification.Prepared(features, unread)
    )
    assert found[0].tolist() == [1, 2]
