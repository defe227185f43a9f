"""Which cluster each index expression is for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure
from isthmus.names import ClusterAlias, group_by_cluster, is_cross_cluster

CONFIGURED = tuple(ClusterAlias(name) for name in ("eu", "eu-2", "us", "Asia"))

GROUPED = [
    # nothing, local names and wildcards
    ("", {None: ()}),
    ("logs", {None: ("logs",)}),
    ("logs,metrics", {None: ("logs", "metrics")}),
    ("logs-*,-logs-1", {None: ("logs-*", "-logs-1")}),
    ("_all", {None: ("_all",)}),
    ("*", {None: ("*",)}),
    ("-logs", {None: ("-logs",)}),
    (".hidden", {None: (".hidden",)}),
    # one remote cluster
    ("eu:logs", {"eu": ("logs",)}),
    ("eu:logs,eu:metrics", {"eu": ("logs", "metrics")}),
    ("eu:logs-*,eu:-logs-1", {"eu": ("logs-*", "-logs-1")}),
    ("eu:_all", {"eu": ("_all",)}),
    ("eu:*", {"eu": ("*",)}),
    ("eu:", {"eu": ("",)}),
    ("eu:us:logs", {"eu": ("us:logs",)}),
    ("eu-2:logs", {"eu-2": ("logs",)}),
    ("Asia:logs", {"Asia": ("logs",)}),
    # several
    ("logs,eu:logs,us:metrics", {None: ("logs",), "eu": ("logs",), "us": ("metrics",)}),
    ("eu:a,b,eu:c,d", {"eu": ("a", "c"), None: ("b", "d")}),
    # alias wildcards
    ("eu*:logs", {"eu": ("logs",), "eu-2": ("logs",)}),
    ("*:logs", {"Asia": ("logs",), "eu": ("logs",), "eu-2": ("logs",), "us": ("logs",)}),
    ("*:*", {"Asia": ("*",), "eu": ("*",), "eu-2": ("*",), "us": ("*",)}),
    ("*,*:*", {None: ("*",), "Asia": ("*",), "eu": ("*",), "eu-2": ("*",), "us": ("*",)}),
    ("*u*:logs", {"eu": ("logs",), "eu-2": ("logs",), "us": ("logs",)}),
    ("*2:logs", {"eu-2": ("logs",)}),
    ("e*2:logs", {"eu-2": ("logs",)}),
    ("logs,x*:logs", {None: ("logs",)}),
    ("eu:logs,x*:logs", {"eu": ("logs",)}),
    ("eu*:a,eu:b", {"eu": ("a", "b"), "eu-2": ("a",)}),
    # whole clusters taken out
    ("*:logs,-us:*", {"Asia": ("logs",), "eu": ("logs",), "eu-2": ("logs",)}),
    ("*:logs,-eu*:*", {"Asia": ("logs",), "us": ("logs",)}),
    ("-us:*,eu:a,us:b", {"eu": ("a",)}),
    ("logs,eu:logs,-eu:*", {None: ("logs",)}),
    ("eu:a,us:a,-eu:*,-us:*,logs", {None: ("logs",)}),
    ("eu:a,us:a,-eu:*::*", {"us": ("a",)}),
    ("logs,-x*:*", {None: ("logs",)}),
    ("eu:a,us:b,-eu:*,-eu:*", {"us": ("b",)}),
    # date math and component selectors are not aliases
    ("<logs-{now/d{yyyy|+02:00}}>", {None: ("<logs-{now/d{yyyy|+02:00}}>",)}),
    ("-<logs-{now/d{HH:mm}}>", {None: ("-<logs-{now/d{HH:mm}}>",)}),
    ("eu:<logs-{now/d{HH:mm}}>", {"eu": ("<logs-{now/d{HH:mm}}>",)}),
    ("logs::data", {None: ("logs::data",)}),
    ("eu:logs::failures", {"eu": ("logs::failures",)}),
    ("eu::data", {None: ("eu::data",)}),
]


@pytest.mark.parametrize(("text", "expected"), GROUPED)
def test_groups_expressions_by_cluster(
    text: str, expected: dict[ClusterAlias | None, tuple[str, ...]]
) -> None:
    """Each cluster gets its own expressions, in their order."""
    assert group_by_cluster(text.split(",") if text else [], CONFIGURED) == expected


REFUSED = [
    ("nope:logs", "no_such_remote_cluster_exception", "no such remote cluster: [nope]"),
    ("eu:logs,nope:logs", "no_such_remote_cluster_exception", "no such remote cluster: [nope]"),
    ("EU:logs", "no_such_remote_cluster_exception", "no such remote cluster: [EU]"),
    ("-nope:*,eu:logs", "no_such_remote_cluster_exception", "no such remote cluster: [nope]"),
    ("x*:logs", "no_such_remote_cluster_exception", "no such remote cluster: [x*]"),
    ("x*:a,y*:b", "no_such_remote_cluster_exception", "no such remote cluster: [x*]"),
    (
        ":logs",
        "illegal_argument_exception",
        "index name [:logs] is invalid because the remote part is empty",
    ),
    (
        "-:logs",
        "illegal_argument_exception",
        "index name [-:logs] is invalid because the remote part is empty",
    ),
    (
        "eu:logs,-eu:logs",
        "illegal_argument_exception",
        "To exclude a cluster you must specify the '*' wildcard for the index expression, but found: [logs]",
    ),
    (
        "eu:x*,-eu:x1",
        "illegal_argument_exception",
        "To exclude a cluster you must specify the '*' wildcard for the index expression, but found: [x1]",
    ),
    (
        "eu:x,-eu:*::data",
        "illegal_argument_exception",
        "To exclude a cluster you must specify the '::*' selector or leave it off, but found: [data]",
    ),
    (
        "eu:x,-us:*",
        "illegal_argument_exception",
        (
            "Attempt to exclude cluster [us] failed as it is not included in the list of clusters to be "
            "included: [eu]. Input: [eu:x,-us:*]"
        ),
    ),
    (
        "logs,-us:*",
        "illegal_argument_exception",
        (
            "Attempt to exclude cluster [us] failed as it is not included in the list of clusters to be "
            "included: [(local)]. Input: [logs,-us:*]"
        ),
    ),
    (
        "eu:x,-eu*:*",
        "illegal_argument_exception",
        (
            "Attempt to exclude cluster [eu-2] failed as it is not included in the list of clusters to be "
            "included: [eu]. Input: [eu:x,-eu*:*]"
        ),
    ),
    (
        "logs,-eu*:*",
        "illegal_argument_exception",
        (
            "Attempt to exclude clusters [eu, eu-2] failed as they are not included in the list of clusters "
            "to be included: [(local)]. Input: [logs,-eu*:*]"
        ),
    ),
    (
        "-eu:*",
        "illegal_argument_exception",
        (
            "Attempt to exclude cluster [eu] failed as it is not included in the list of clusters to be "
            "included: []. Input: [-eu:*]"
        ),
    ),
    (
        "*:logs,-*:*",
        "illegal_argument_exception",
        (
            "The '-' exclusions in the index expression list excludes all indexes. Nothing to search. "
            "Input: [*:logs,-*:*]"
        ),
    ),
]


@pytest.mark.parametrize(("text", "error_type", "reason"), REFUSED)
def test_refuses_what_cannot_be_meant(text: str, error_type: str, reason: str) -> None:
    """An unknown cluster or an exclusion without sense is refused in Elasticsearch's words."""
    with pytest.raises(Failure) as caught:
        group_by_cluster(text.split(","), CONFIGURED)
    assert (caught.value.error_type, caught.value.reason) == (error_type, reason)


def test_an_alias_wildcard_needs_a_configured_cluster() -> None:
    """With no remote cluster at all, a wildcard over clusters alone is an error, not an empty answer."""
    with pytest.raises(Failure, match=r"no such remote cluster: \[\*\]"):
        group_by_cluster(["*:logs"], [])


@pytest.mark.parametrize(
    ("expression", "crosses"),
    [
        ("eu:logs", True),
        ("-eu:*", True),
        ("*:x", True),
        ("logs", False),
        ("logs::data", False),
        ("<a-{now{HH:mm}}>", False),
        (":x", False),
        ("", False),
    ],
)
def test_tells_whether_an_expression_leaves_this_cluster(expression: str, crosses: bool) -> None:
    """Only an alias before the first colon leads elsewhere."""
    assert is_cross_cluster(expression) is crosses


_EXPRESSION = st.lists(
    st.sampled_from(
        ["eu", "us", "Asia", "eu*", "*", "x", "-", ":", "::", "*", "logs", "<", ">", "{now/d}", "."]
    ),
    max_size=6,
).map("".join)


@settings(max_examples=300)
@given(st.lists(_EXPRESSION, max_size=5))
def test_grouping_loses_no_expression_and_raises_failures_only(expressions: list[str]) -> None:
    """What is not refused is asked of some cluster, except whole clusters that were taken out."""
    try:
        groups = group_by_cluster(expressions, CONFIGURED)
    except Failure:
        return
    assert set(groups) <= {None, *CONFIGURED}
    assert groups.get(None, ()) == tuple(each for each in expressions if not is_cross_cluster(each))
