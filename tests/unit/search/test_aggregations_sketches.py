"""How exact summaries of many values are over clusters, and what bytes of a peer can do to them."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, Fault
from isthmus.search.aggregations import combine, parse_aggregations
from isthmus.search.aggregations.sketches.distinct import DistinctValues, hash_of, relative_error
from isthmus.search.aggregations.sketches.distribution import Distribution, centroids, rank_error
from isthmus.search.aggregations.sketches.packing import bytes_of, text_of

RANKS = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
#: So many deviations an estimate may be off: beyond are 3 of 1,000.
DEVIATIONS = 3
DOCUMENT = Path(__file__).parents[3] / "docs" / "aggregations.md"


def counted(parts: list[list[int]], threshold: int) -> int:
    """Answer how many different hashes several clusters have together."""
    whole = DistinctValues(threshold)
    for part in parts:
        one = DistinctValues(threshold)
        one.add(part)
        whole.read(one.write())
    return whole.count()


@pytest.mark.parametrize("threshold", [100, 3_000, 40_000])
def test_different_values_are_counted_within_the_bound(
    threshold: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exact up to the threshold; beyond within three deviations, and the same over 1, 2 and 5 clusters."""
    bound = DEVIATIONS * relative_error(threshold)
    worst = 0.0
    for number in (0, 1, threshold, threshold * 2, threshold * 5):
        hashes = [hash_of(f"{threshold}-{each}") for each in range(number)]
        answers = {
            counted([hashes[start::clusters] for start in range(clusters)], threshold)
            for clusters in (1, 2, 5)
        }
        assert len(answers) == 1
        error = abs(answers.pop() - number) / max(number, 1)
        assert error == 0 if number <= threshold else error <= bound
        worst = max(worst, error)
    with capsys.disabled():
        sys.stdout.write(
            f"\ncardinality, threshold {threshold:,}: worst error {worst:.2%}, bound {bound:.2%}"
        )


def test_values_are_the_same_whatever_their_type_and_whichever_cluster_has_them() -> None:
    """A long and a double that are equal are one value, a text that looks like a number is another."""
    assert hash_of(3) == hash_of(3.0) != hash_of("3")
    assert len({hash_of(value) for value in (0.5, "0.5", "", -1, "😀")}) == 5
    overlapping = [[hash_of(each) for each in range(start, start + 4_000)] for start in (0, 1_000, 2_000)]
    assert counted(overlapping, 3_000) == counted([[each for part in overlapping for each in part]], 3_000)


SHAPES: dict[str, Callable[[random.Random], float]] = {
    "uniform": lambda source: source.random(),
    "skewed": lambda source: source.lognormvariate(0, 2),
    "two humps": lambda source: source.gauss(0, 1) + 1_000 * (source.random() < 0.5),
    "long tail": lambda source: source.paretovariate(1.1),
    "repeated": lambda source: float(source.randrange(6_000)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_percentiles_are_within_the_bound(shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Beyond what is kept exactly every rank is within its bound, over 1, 2 and 5 clusters."""
    source = random.Random(shape)  # noqa: S311 - no secret
    values = [SHAPES[shape](source) for _ in range(60_000)]
    ordered = sorted(values)
    limit = centroids(100)
    # between two neighbours nothing tells how far it is, however often they are there
    most_often = max(Counter(values).values()) / len(values)
    worst = dict.fromkeys(RANKS, 0.0)
    for clusters in (1, 2, 5):
        whole = Distribution(limit)
        for start in range(clusters):
            part = Distribution(limit)
            for chunk in range(start, len(values), clusters * 20_000):
                part.add((value, 1) for value in values[chunk : chunk + clusters * 20_000 : clusters])
            whole.read(part.write())
        assert whole.extent() == (ordered[0], ordered[-1])
        for rank, found in zip(RANKS, whole.quantiles(RANKS), strict=True):
            least, most = bisect_left(ordered, found), bisect_right(ordered, found)
            error = max(0.0, least / len(ordered) - rank, rank - most / len(ordered))
            worst[rank] = max(worst[rank], error)
            assert error <= rank_error(rank, 100) + most_often, (clusters, rank)
        middle = whole.ranks([ordered[len(ordered) // 2]])[0]
        assert abs(middle - 0.5) <= rank_error(0.5, 100) + 1e-3
    with capsys.disabled():
        shown = ", ".join(f"{rank:g}: {error:.3%}" for rank, error in worst.items())
        sys.stdout.write(f"\npercentiles, {shape}: worst errors of rank {shown}")


def test_few_different_values_are_exact_however_often_they_are_there() -> None:
    """2,000 different values of millions of documents are counted one by one, over any clusters."""
    parts = [Distribution(centroids(100)) for _ in range(3)]
    for number, part in enumerate(parts):
        part.add((float(value), 1_000 + number) for value in range(2_000))
    whole = Distribution(centroids(100))
    for part in parts:
        whole.read(part.write())
    assert whole.quantiles([0, 0.25, 0.5, 1]) == [0.0, 499.75, 999.5, 1_999.0]
    assert whole.points()[7] == (7.0, 3_003)


def test_the_documentation_states_the_bounds() -> None:
    """What the documents say of exactness is what the code has."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for threshold in (100, 3_000, 40_000):
        assert f"| {threshold:,} | {relative_error(threshold):.2%} |" in text
    for rank in (0.5, 0.75, 0.95, 0.99, 0.999):
        assert f"| {rank:.1%} | {rank_error(rank, 100):.3%} |" in text


def bytes_of_many() -> tuple[bytes, bytes]:
    """Answer the registers and the digest of many values."""
    distinct, distribution = DistinctValues(100), Distribution(centroids(0))
    distinct.add(map(hash_of, range(5_000)))
    distribution.add((float(value), 1) for value in range(5_000))
    registers = bytes_of(distinct.write()["registers"], 1 << 20)
    return registers, bytes_of(distribution.write()["digest"], 1 << 20)


REGISTERS, DIGEST = bytes_of_many()
HOSTILE = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([REGISTERS, DIGEST]).flatmap(
        lambda good: st.builds(
            lambda place, other, cut: (good[:place] + other + good[place + len(other) :])[:cut],
            st.integers(0, len(good)) | st.integers(0, 40),
            st.binary(min_size=1, max_size=9),
            st.integers(0, len(good) + 9) | st.just(len(good)),
        )
    ),
)
REQUESTS = {
    "c": {"cardinality": {"field": "f", "precision_threshold": 100}},
    "p": {"percentiles": {"field": "f", "tdigest": {"compression": 0}}},
    "m": {"median_absolute_deviation": {"field": "f", "compression": 1}},
    "b": {"boxplot": {"field": "f", "compression": 1}},
    "h": {"percentiles": {"field": "f", "hdr": {}}},
}


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(list(REQUESTS)),
    packed=HOSTILE,
    member=st.sampled_from(["digest", "registers", "hashes"]),
)
def test_bytes_of_a_hostile_peer_fail_cleanly(name: str, packed: bytes, member: str) -> None:
    """Whatever a peer sends in place of a summary is understood or is that peer's failure."""
    answer = answer_of(name, {member: text_of(packed)})
    assert not isinstance(answer, Failure) or is_of_the_peer(answer)


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"hashes": 5},
        {"hashes": "a"},
        {"hashes": "é"},
        {"registers": text_of(b"\x40" * 4096)},
        {"hashes": text_of(bytes(8 * 600))},
        {"values": text_of(struct.pack("<d", float("nan"))), "counts": text_of(bytes(8))},
        {"values": text_of(bytes(8)), "counts": ""},
        {"values": text_of(bytes(8)), "counts": text_of(b"\xff" * 8)},
        {"digest": text_of(DIGEST[:-16])},
        {"digest": text_of(DIGEST[:8] + struct.pack("<I", 2**32 - 1) + DIGEST[12:])},
        {"digest": text_of(DIGEST + bytes(3 * centroids(0) * 16))},
        {"digest": text_of(DIGEST), "shown": 5},
    ],
)
def test_summaries_that_cannot_be_are_the_failure_of_who_sent_them(part: dict[str, Any]) -> None:
    """Values that are none, too many, out of order or announced and not there are refused."""
    failures = [answer_of(name, part) for name in REQUESTS]
    assert all(isinstance(failure, Failure) and is_of_the_peer(failure) for failure in failures)


def is_of_the_peer(failure: Failure) -> bool:
    """Tell whether a failure says that a peer's answer was not understood."""
    return (failure.fault, failure.error_type) == (Fault.REMOTE, "aggregation_execution_exception")


def answer_of(name: str, part: dict[str, Any]) -> dict[str, Any] | Failure:
    """Answer what one aggregation comes to with a peer's part, or that peer's failure."""
    tree = parse_aggregations({name: REQUESTS[name]})
    try:
        return combine(tree, [{name: part}])
    except Failure as failure:
        return failure


def test_a_node_that_counts_little_does_not_load_the_library() -> None:
    """What many values are summed up with takes memory only once there are many."""
    script = (
        "import sys\n"
        "from isthmus.search.aggregations.sketches.distinct import DistinctValues\n"
        "from isthmus.search.aggregations.sketches.distribution import Distribution\n"
        "import isthmus.engines.embedded.engine\n"
        "few = DistinctValues(3000); few.add(range(3000)); few.count()\n"
        "values = Distribution(2000); values.add((each, 1) for each in range(2000))\n"
        "values.quantiles([0.5])\n"
        "print('numpy' in sys.modules or 'datasketches' in sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603
    assert found.stdout == "False\n"
