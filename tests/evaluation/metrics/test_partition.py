"""Agreement of partitions, compared with scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from evaluation.metrics.partition import adjusted_rand, nmi, purity


@pytest.mark.parametrize(("count", "a", "b"), [(2, 1, 2), (20, 3, 5), (300, 10, 10), (50, 50, 2)])
def test_nmi_and_rand_index_match_scikit_learn(count, a, b):
    rng = np.random.default_rng(count)
    first, second = rng.integers(0, a, count), rng.integers(0, b, count)
    assert nmi(first, second) == pytest.approx(normalized_mutual_info_score(first, second), abs=1e-9)
    assert adjusted_rand(first, second) == pytest.approx(adjusted_rand_score(first, second), abs=1e-9)


def test_label_names_do_not_matter():
    labels = np.array([0, 0, 1, 2, 2])
    renamed = np.array([7, 7, 3, 0, 0])
    assert nmi(labels, renamed) == adjusted_rand(labels, renamed) == purity(labels, renamed) == pytest.approx(1)


def test_purity_counts_the_majority():
    assert purity(np.array([0, 0, 0, 1]), np.array([5, 5, 6, 6])) == 0.75
