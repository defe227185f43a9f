"""What the fuzzers share: junk that looks like the real thing, and what may come of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind

#: the same cases in every run: a failure is the change's, not the dice's
FEW = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
MANY = settings(FEW, max_examples=600)

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["", "*", "-1", "1d", "now/d", "1e999", "\0", "\u202e", "a" * 300, "/(a+)+/", "<a-{now/d}>"]
    ),
)


def json_of(words: Sequence[str], *, leaves: int = 12) -> st.SearchStrategy[Any]:
    """Answer JSON whose member names and texts are often these words."""
    word = st.sampled_from(list(words))
    names = st.one_of(word, word, word, st.text(max_size=5))
    return st.recursive(
        st.one_of(word, _SCALARS),
        lambda inner: st.one_of(
            st.dictionaries(names, inner, max_size=4),
            st.lists(inner, max_size=3),
            st.builds(lambda name, value: {name: value}, word, inner),
        ),
        max_leaves=leaves,
    )


@contextmanager
def only_refusals() -> Any:
    """Let refusals of the caller's input pass; anything else that is raised is a bug."""
    try:
        yield
    except Failure as failure:
        if failure.kind is FailureKind.INTERNAL or not failure.reason:
            raise
