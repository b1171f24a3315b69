"""Time and recall of the self-join of `dedupe` on made vectors, of which each twentieth has a copy at a known cosine.

    python -m benchmarks.dedupe_vectors [--count 100000] [--cosine 0.7] [--seed 0]

Vectors are directions drawn at random, as many as the default bundle has dimensions. Pictures are not verified.
"""

import argparse
import resource
import time

import numpy as np

from copysight.duplicates.candidates import Scorer, find_candidates
from copysight.duplicates.scope import Scope
from copysight.model import bundle as bundles
from copysight.scoring.judge import Judge


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--cosine", type=float, default=0.7)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    bundle, rng = bundles.load("default"), np.random.default_rng(options.seed)
    vectors = _unit(rng.standard_normal((options.count, bundle.dimension), np.float32))
    planted = options.count // 20
    noise = _unit(rng.standard_normal((planted, bundle.dimension), np.float32))
    vectors[:planted] = _unit(options.cosine * vectors[-planted:] + np.sqrt(1 - options.cosine**2) * noise)
    began, cpu = time.monotonic(), time.process_time()
    scorer = Scorer.of(vectors, Judge.of(bundle))
    assert scorer is not None
    found = find_candidates(scorer, Scope.everything(options.count), lambda _done, _total: None)
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    true = {(row, options.count - planted + row) for row in range(planted)}
    recall = len(true & set(map(tuple, found.pairs.tolist()))) / planted
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{options.count:,} vectors: {seconds:.0f} s, {used:.0f} s of processor time, ", end="")
    print(f"{len(found.pairs):,} candidate pairs, ", end="")
    print(f"recall of planted pairs at cosine {options.cosine:g}: {recall:.4f}, at most {peak:,.0f} MiB")


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


if __name__ == "__main__":
    main()
