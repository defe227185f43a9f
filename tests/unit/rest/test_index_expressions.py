"""Index expressions as they stand in a URL: which index of which cluster, or which error.

Each goes the whole way: split as the data API splits it, grouped by cluster, and resolved in each one with
the options of the query string, for a caller who may see everything.
"""

from __future__ import annotations

from typing import Final

import pytest
from data_api_client import SUPERUSER, principal_of

from isthmus.errors import Failure
from isthmus.names import ClusterAlias, IndexName, KnownIndex, group_by_cluster
from isthmus.rest.elasticsearch.search_parameters import expressions_of, indices_options
from isthmus.rest.http import parse_query_string
from isthmus.security.authorize import select_indices

#: 2026-08-01T00:30:00Z
NOW: Final = 1_785_544_200_000
CALLER: Final = principal_of("elastic", SUPERUSER)


def _known(*indices: KnownIndex) -> dict[IndexName, KnownIndex]:
    return {index.name: index for index in indices}


def _index(name: str, *aliases: str, hidden: bool = False, closed: bool = False) -> KnownIndex:
    return KnownIndex(IndexName(name), hidden, closed, {alias: {} for alias in aliases})


CLUSTERS: Final[dict[str | None, dict[IndexName, KnownIndex]]] = {
    None: _known(
        _index("logs-1", "logs"),
        _index("logs-2", "logs", "newest"),
        _index("logs-2026.08.01"),
        _index("metrics"),
        _index("shut-1", closed=True),
        _index("shy", hidden=True),
        _index(".dot", hidden=True),
    ),
    "eu": _known(
        _index("logs-1", "logs", "only-eu"),
        _index("logs-2026.07.31"),
        _index("logs-2026.08.01"),
        _index("shut-1", "logs-shut", closed=True),
        _index(".dot", hidden=True),
    ),
    "eu-2": _known(_index("logs-9", "newest")),
    "us": _known(_index("metrics"), _index("events", "logs")),
    "_local": _known(_index("logs-1")),
}
ALIASES: Final = tuple(ClusterAlias(alias) for alias in CLUSTERS if alias is not None)
HERE: Final = "logs-1,logs-2,logs-2026.08.01,metrics"
EU: Final = "eu:logs-1,eu:logs-2026.07.31,eu:logs-2026.08.01"
EVERYWHERE_ELSE: Final = f"_local:logs-1,{EU},eu-2:logs-9,us:events,us:metrics"
ALL_STATES: Final = "expand_wildcards=open,closed,hidden&ignore_unavailable=true"


def resolved(text: str, query: str = "") -> str:
    """Answer the indices that the text names, as a search would show them."""
    options = indices_options(parse_query_string(query))
    groups = group_by_cluster(expressions_of(text), ALIASES)
    found = []
    for alias in sorted(groups, key=lambda each: each or ""):
        selections = select_indices(
            CALLER, "indices:data/read/search", groups[alias], options, CLUSTERS[alias], NOW
        )
        prefix = "" if alias is None else f"{alias}:"
        found += [f"{prefix}{selection.index}" for selection in selections]
    return ",".join(found)


FOUND: Final[list[tuple[str, str, str]]] = [
    # everything of this cluster
    ("", "", HERE),
    ("_all", "", HERE),
    ("*", "", HERE),
    ("**", "", HERE),
    ("*,-logs-*", "", "metrics"),
    ("*,-*", "", ""),
    # names, aliases, lists
    ("metrics", "", "metrics"),
    ("metrics,logs-1", "", "metrics,logs-1"),
    ("metrics,metrics", "", "metrics"),
    ("metrics,", "", "metrics"),
    ("metrics,,,", "", "metrics"),
    ("logs", "", "logs-1,logs-2"),
    ("logs,logs-1", "", "logs-1,logs-2"),
    ("newest", "", "logs-2"),
    ("new*", "", "logs-2"),
    ("shy", "", "shy"),
    (".dot", "", ".dot"),
    ("metrics::data", "", "metrics"),
    ("metrics::*", "", "metrics"),
    # wildcards and exclusions
    ("logs-*", "", "logs-1,logs-2,logs-2026.08.01"),
    ("*-1", "", "logs-1"),
    ("l*2", "", "logs-2"),
    ("l*s*2*1", "", "logs-2026.08.01"),
    ("logs-*,-logs-1", "", "logs-2,logs-2026.08.01"),
    ("logs-*,-logs", "", "logs-2026.08.01"),
    ("logs-*,-logs-1,logs-1", "", "logs-2,logs-2026.08.01,logs-1"),
    ("logs-*,-nothing-here", "", "logs-1,logs-2,logs-2026.08.01"),
    ("logs-*,-*-2*", "", "logs-1"),
    ("nothing*", "", ""),
    ("nothing*,metrics", "", "metrics"),
    ("-*", "", ""),
    # hidden and closed
    ("s*", "", ""),
    ("sh*", "expand_wildcards=open,hidden", "shy"),
    ("*", "expand_wildcards=all&ignore_unavailable=true", ".dot,logs-1,logs-2,logs-2026.08.01,metrics,shy"),
    (".d*", "", ".dot"),
    ("*dot", "", ""),
    ("*", "expand_wildcards=hidden", ""),
    ("*", "expand_wildcards=none", ""),
    ("metrics", "expand_wildcards=none", "metrics"),
    ("logs-*", "expand_wildcards=none", ""),
    ("shut-*", "", ""),
    ("shut-1", "ignore_unavailable=true", ""),
    ("shut-*", "expand_wildcards=closed&ignore_unavailable=true", ""),
    ("shut-1,metrics", "ignore_unavailable=true", "metrics"),
    ("*", "expand_wildcards=none,open", HERE),
    ("*", "expand_wildcards=open,none", ""),
    # what is not there
    ("nope", "ignore_unavailable=true", ""),
    ("nope,metrics", "ignore_unavailable=true", "metrics"),
    ("eu:nope", "ignore_unavailable=true", ""),
    ("metrics,eu:nope,eu:logs-1", "ignore_unavailable=true", "metrics,eu:logs-1"),
    ("logs-1,-logs-1", "ignore_unavailable=true", "logs-1"),
    # date math, here and there
    ("<logs-{now/d}>", "", "logs-2026.08.01"),
    ("<logs-{now/d{yyyy.MM.dd}}>", "", "logs-2026.08.01"),
    ("<logs-{now/d{yyyy.MM.dd|-01:00}}>,metrics", "ignore_unavailable=true", "metrics"),
    ("<logs-{now/M}>", "", "logs-2026.08.01"),
    ("<logs-{now/M{yyyy.MM}}.*>", "", "logs-2026.08.01"),
    ("eu:<logs-{now/d}>", "", "eu:logs-2026.08.01"),
    ("eu:<logs-{now/d-1d}>", "", "eu:logs-2026.07.31"),
    ("eu:<logs-{now/d{yyyy.MM.dd|-01:00}}>", "", "eu:logs-2026.07.31"),
    ("eu:logs-*,eu:-<logs-{now/d}>", "", "eu:logs-1,eu:logs-2026.07.31"),
    ("*:<logs-{now/d}>", "ignore_unavailable=true", "eu:logs-2026.08.01"),
    ("logs-*,-<logs-{now/d}>", "", "logs-1,logs-2"),
    # one other cluster
    ("eu:logs-1", "", "eu:logs-1"),
    ("eu:logs", "", "eu:logs-1"),
    ("eu:only-*", "", "eu:logs-1"),
    ("eu:*", "", EU),
    ("eu:_all", "", EU),
    ("eu:**", "", EU),
    ("eu:logs-*", "", EU),
    ("eu:logs-*,eu:-logs-1", "", "eu:logs-2026.07.31,eu:logs-2026.08.01"),
    ("eu:logs-*,eu:-only-eu", "", "eu:logs-2026.07.31,eu:logs-2026.08.01"),
    ("eu:*,eu:-*", "", ""),
    ("eu:nothing*", "", ""),
    ("eu:shut-*", "", ""),
    ("eu:*", ALL_STATES, f"eu:.dot,{EU}"),
    ("eu:.d*", "", "eu:.dot"),
    ("eu:logs-1::data", "", "eu:logs-1"),
    ("_local:logs-1", "", "_local:logs-1"),
    ("_local:*,*", "", f"{HERE},_local:logs-1"),
    # several
    ("logs,eu:logs", "", "logs-1,logs-2,eu:logs-1"),
    ("eu:logs,logs", "", "logs-1,logs-2,eu:logs-1"),
    ("us:metrics,eu:logs-1,metrics", "", "metrics,eu:logs-1,us:metrics"),
    ("eu:logs-1,us:logs", "", "eu:logs-1,us:events"),
    ("eu*:logs-*", "", f"{EU},eu-2:logs-9"),
    ("*-2:*", "", "eu-2:logs-9"),
    ("e*:newest", "ignore_unavailable=true", "eu-2:logs-9"),
    ("*:metrics", "ignore_unavailable=true", "us:metrics"),
    ("*:met*", "", "us:metrics"),
    ("*:*", "", EVERYWHERE_ELSE),
    ("*:_all", "", EVERYWHERE_ELSE),
    ("*,*:*", "", f"{HERE},{EVERYWHERE_ELSE}"),
    ("_all,*:*", "", f"{HERE},{EVERYWHERE_ELSE}"),
    ("none-*:logs,metrics", "", "metrics"),
    ("none-*:logs,eu:logs", "", "eu:logs-1"),
    ("eu:logs-1,eu:logs-1", "", "eu:logs-1"),
    ("eu:logs-1,e*:logs-1", "ignore_unavailable=true", "eu:logs-1"),
    # clusters taken out
    ("*:*,-eu*:*", "", "_local:logs-1,us:events,us:metrics"),
    ("*:logs*,-us:*,-_local:*", "", f"{EU},eu-2:logs-9"),
    ("-eu:*,eu*:logs-*", "", "eu-2:logs-9"),
    ("metrics,eu:logs,-eu:*", "", "metrics"),
    ("*,*:*,-*:*", "", HERE),
    ("eu:logs,us:logs,-eu:*::*", "", "us:events"),
    ("metrics,-none-*:*", "", "metrics"),
]

NOT_FOUND: Final = "index_not_found_exception"
ILLEGAL: Final = "illegal_argument_exception"
BAD_NAME: Final = "invalid_index_name_exception"
NO_CLUSTER: Final = "no_such_remote_cluster_exception"
CLOSED: Final = "index_closed_exception"
NO_SELECTOR: Final = "invalid usage of :: separator, [{}] is not a recognized selector"
EXCLUDED: Final = (
    "Attempt to exclude {} not included in the list of clusters to be included: [{}]. Input: [{}]"
)
ALL_EXCLUDED: Final = (
    "The '-' exclusions in the index expression list excludes all indexes. Nothing to search."
)
LOCAL_ONLY: Final = (
    "Cross-cluster calls are not supported in this context but remote indices were requested: "
)

REFUSED: Final[list[tuple[str, str, str, str]]] = [
    # nothing of this name
    ("nope", "", NOT_FOUND, "no such index [nope]"),
    ("metrics,nope", "", NOT_FOUND, "no such index [nope]"),
    ("eu:nope", "", NOT_FOUND, "no such index [nope]"),
    ("us:logs-1", "", NOT_FOUND, "no such index [logs-1]"),
    ("my-data-stream", "", NOT_FOUND, "no such index [my-data-stream]"),
    ("eu:my-data-stream", "", NOT_FOUND, "no such index [my-data-stream]"),
    ("Metrics", "", NOT_FOUND, "no such index [Metrics]"),
    (" metrics", "", NOT_FOUND, "no such index [ metrics]"),
    ("metric?", "", NOT_FOUND, "no such index [metric?]"),
    ("a|b", "", NOT_FOUND, "no such index [a|b]"),
    ("a#b", "", NOT_FOUND, "no such index [a#b]"),
    (".", "", NOT_FOUND, "no such index [.]"),
    ("-metrics", "", NOT_FOUND, "no such index [-metrics]"),
    ("metrics,-metrics", "", NOT_FOUND, "no such index [-metrics]"),
    ("eu:-logs-1", "", NOT_FOUND, "no such index [-logs-1]"),
    ("eu:logs-1,eu:-logs-1", "", NOT_FOUND, "no such index [-logs-1]"),
    ("'metrics'", "", NOT_FOUND, "no such index ['metrics']"),
    ("<logs-{now/d}", "", NOT_FOUND, "no such index [<logs-{now/d}]"),
    ("<nope-{now/d}>", "", NOT_FOUND, "no such index [nope-2026.08.01]"),
    ("<eu:logs-{now/d}>", "", NOT_FOUND, "no such index [eu:logs-2026.08.01]"),
    # empty parts
    (",metrics", "", NOT_FOUND, "no such index []"),
    ("metrics,,logs-1", "", NOT_FOUND, "no such index []"),
    (",", "", NOT_FOUND, "no such index []"),
    ("eu:", "", NOT_FOUND, "no such index []"),
    ("*:", "", NOT_FOUND, "no such index []"),
    (":", "", ILLEGAL, "index name [:] is invalid because the remote part is empty"),
    (":logs", "", ILLEGAL, "index name [:logs] is invalid because the remote part is empty"),
    ("-:*", "", ILLEGAL, "index name [-:*] is invalid because the remote part is empty"),
    # nothing at all where that is not allowed
    ("nothing*", "allow_no_indices=false", NOT_FOUND, "no such index [nothing*]"),
    ("eu:nothing*", "allow_no_indices=false", NOT_FOUND, "no such index [nothing*]"),
    ("metrics,nothing*", "allow_no_indices=false", NOT_FOUND, "no such index [nothing*]"),
    ("nope", "ignore_unavailable=true&allow_no_indices=false", NOT_FOUND, "no such index [nope]"),
    ("*", "expand_wildcards=none&allow_no_indices=false", NOT_FOUND, "no such index [_all]"),
    # closed
    ("shut-1", "", CLOSED, "closed"),
    ("eu:shut-1", "", CLOSED, "closed"),
    ("eu:logs-shut", "", CLOSED, "closed"),
    ("shut-*", "expand_wildcards=all", CLOSED, "closed"),
    ("*", "expand_wildcards=open,closed", CLOSED, "closed"),
    # names that cannot be
    ("_metrics", "", BAD_NAME, "Invalid index name [_metrics], must not start with '_'."),
    ("metrics,_all", "", BAD_NAME, "Invalid index name [_all], must not start with '_'."),
    ("eu:_logs", "", BAD_NAME, "Invalid index name [_logs], must not start with '_'."),
    ("eu:logs-1,eu:_all", "", BAD_NAME, "Invalid index name [_all], must not start with '_'."),
    (
        "metrics::odd",
        "",
        BAD_NAME,
        f"Invalid index name [metrics::odd], {NO_SELECTOR.format('odd')}",
    ),
    (
        "eu:logs::",
        "",
        BAD_NAME,
        f"Invalid index name [logs::], {NO_SELECTOR.format('')}",
    ),
    (
        "metrics::failures",
        "",
        ILLEGAL,
        "component selector [::failures] is not supported: [metrics::failures]",
    ),
    # clusters that are not there
    ("asia:logs", "", NO_CLUSTER, "no such remote cluster: [asia]"),
    ("EU:logs", "", NO_CLUSTER, "no such remote cluster: [EU]"),
    ("eu?:logs", "", NO_CLUSTER, "no such remote cluster: [eu?]"),
    ("(local):logs", "", NO_CLUSTER, "no such remote cluster: [(local)]"),
    ("asia:logs", "ignore_unavailable=true", NO_CLUSTER, "no such remote cluster: [asia]"),
    ("metrics,asia:logs", "allow_no_indices=true", NO_CLUSTER, "no such remote cluster: [asia]"),
    ("eu:logs,-asia:*", "", NO_CLUSTER, "no such remote cluster: [asia]"),
    ("asia-*:logs", "", NO_CLUSTER, "no such remote cluster: [asia-*]"),
    ("a.b:logs", "", NO_CLUSTER, "no such remote cluster: [a.b]"),
    # a cluster behind a cluster
    ("eu:us:logs", "", ILLEGAL, f"{LOCAL_ONLY}[us:logs]"),
    ("eu:us:metrics:with:colons", "", ILLEGAL, f"{LOCAL_ONLY}[us:metrics:with:colons]"),
    ("eu:*:*", "", ILLEGAL, f"{LOCAL_ONLY}[*:*]"),
    ("eu:logs-1,eu:us:logs", "", ILLEGAL, f"{LOCAL_ONLY}[us:logs]"),
    # taking clusters out
    (
        "eu:logs,-eu:logs",
        "",
        ILLEGAL,
        "To exclude a cluster you must specify the '*' wildcard for the index expression, but found: [logs]",
    ),
    (
        "eu:logs,-eu:",
        "",
        ILLEGAL,
        "To exclude a cluster you must specify the '*' wildcard for the index expression, but found: []",
    ),
    (
        "eu:logs,-eu:_all",
        "",
        ILLEGAL,
        "To exclude a cluster you must specify the '*' wildcard for the index expression, but found: [_all]",
    ),
    (
        "eu:logs,-eu:*::failures",
        "",
        ILLEGAL,
        "To exclude a cluster you must specify the '::*' selector or leave it off, but found: [failures]",
    ),
    (
        "-eu:*",
        "",
        ILLEGAL,
        EXCLUDED.format("cluster [eu] failed as it is", "", "-eu:*"),
    ),
    (
        "metrics,-eu*:*",
        "",
        ILLEGAL,
        EXCLUDED.format("clusters [eu, eu-2] failed as they are", "(local)", "metrics,-eu*:*"),
    ),
    (
        "us:logs,-*:*",
        "",
        ILLEGAL,
        EXCLUDED.format("clusters [_local, eu, eu-2] failed as they are", "us", "us:logs,-*:*"),
    ),
    (
        "eu:logs,-eu:*",
        "",
        ILLEGAL,
        f"{ALL_EXCLUDED} Input: [eu:logs,-eu:*]",
    ),
    # date math that is none
    (
        "<logs-{now/x}>",
        "",
        "parse_exception",
        "unit [x] not supported for date math [now/x]",
    ),
    (
        "eu:<logs-{now/d>",
        "",
        "parse_exception",
        "invalid dynamic name expression [logs-{now/d]. date math placeholder is open ended",
    ),
    (
        "<logs-{2024}>",
        "",
        "parse_exception",
        "failed to parse date math [2024]: only [now] is supported as the anchor",
    ),
    # options that are none
    ("*", "expand_wildcards=some", ILLEGAL, "No valid expand wildcard value [some]"),
    (
        "*",
        "ignore_unavailable=perhaps",
        ILLEGAL,
        "Failed to parse value [perhaps] as only [true] or [false] are allowed.",
    ),
    (
        "*",
        "allow_no_indices=1",
        ILLEGAL,
        "Failed to parse value [1] as only [true] or [false] are allowed.",
    ),
]


@pytest.mark.parametrize(("text", "query", "expected"), FOUND)
def test_an_expression_names_indices(text: str, query: str, expected: str) -> None:
    """In the order in which clusters are answered; ``alias:index`` for those of others."""
    assert resolved(text, query) == expected


@pytest.mark.parametrize(("text", "query", "error_type", "reason"), REFUSED)
def test_an_expression_is_refused(text: str, query: str, error_type: str, reason: str) -> None:
    """With Elasticsearch's type and words."""
    with pytest.raises(Failure) as refused:
        resolved(text, query)
    assert (refused.value.error_type, refused.value.reason) == (error_type, reason)


def test_the_table_is_large() -> None:
    """Nobody takes cases out without being asked why."""
    assert len(FOUND) + len(REFUSED) >= 160
