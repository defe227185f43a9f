"""Texts and bodies of callers: index expressions, roles, keys, trust, filters, patterns."""

from __future__ import annotations

import time
from typing import Any

from fuzz_support import FEW, MANY, json_of, only_refusals
from hypothesis import given
from hypothesis import strategies as st

from isthmus.control.traffic_filters_book import decode_traffic_filter
from isthmus.control.trust import parse_trust
from isthmus.control.trust_records import DirectTrustType
from isthmus.errors import Failure, FailureKind
from isthmus.names import (
    IndexName,
    IndicesOptions,
    KnownIndex,
    group_by_cluster,
    parse_cluster_alias,
    parse_index_name,
)
from isthmus.rest.cloud.payloads import parse_create, parse_keystore, parse_update
from isthmus.rest.elasticsearch.security_api_key_bodies import (
    read_cross_cluster_key_change,
    read_invalidation,
    read_key_change,
    read_new_cross_cluster_key,
    read_new_key,
)
from isthmus.security.authorize import select_indices
from isthmus.security.certificate_names import is_node_name
from isthmus.security.certificate_trust import name_matcher
from isthmus.security.credentials import read_authorization
from isthmus.security.patterns import matcher
from isthmus.security.principal import IndexPrivileges, Principal, RoleDescriptor
from isthmus.security.role_format import parse_role, render_role

_PIECES = [
    "*",
    "?",
    "-",
    ",",
    ":",
    "::",
    "<",
    ">",
    "{now/d}",
    "{",
    "}",
    "vault",
    "hoard",
    "loot",
    "_all",
    ".",
    "/",
    "\0",
    "data",
    "%2a",
    "eu",
    " ",
]
_EXPRESSIONS = st.lists(
    st.lists(st.one_of(st.sampled_from(_PIECES), st.text(max_size=3)), max_size=5).map("".join), max_size=4
)
_KNOWN = {
    name: KnownIndex(name=name, hidden=name.startswith("."), closed=False, aliases=aliases)
    for name, aliases in (
        (IndexName("vault"), {"door": {}}),
        (IndexName("hoard"), {"loot": {}}),
        (IndexName(".security-7"), {".security": {}}),
    )
}
_CALLER = Principal(
    username="mallory",
    role_names=("r",),
    role_sets=(
        (RoleDescriptor(name="r", indices=(IndexPrivileges(names=("vault",), privileges=("read",)),)),),
        (RoleDescriptor(name="r", indices=(IndexPrivileges(names=("*",), privileges=("all",)),)),),
    ),
    realm_name="native",
    realm_type="native",
)


@MANY
@given(_EXPRESSIONS, st.booleans(), st.booleans())
def test_no_expression_reaches_past_what_is_allowed(
    expressions: list[str], ignore_unavailable: bool, allow_no_indices: bool
) -> None:
    """Whatever is written, what is selected is the one index that both role sets allow."""
    options = IndicesOptions(ignore_unavailable=ignore_unavailable, allow_no_indices=allow_no_indices)
    with only_refusals():
        for chosen in select_indices(_CALLER, "indices:data/read/search", expressions, options, _KNOWN):
            assert chosen.index == "vault"


@MANY
@given(_EXPRESSIONS)
def test_expressions_are_grouped_or_refused(expressions: list[str]) -> None:
    """Only configured aliases come out, and a local expression has none in front."""
    configured = [parse_cluster_alias("eu"), parse_cluster_alias("us-1")]
    with only_refusals():
        assert set(group_by_cluster(expressions, configured)) <= {None, *configured}


@MANY
@given(st.text(max_size=20))
def test_names_are_parsed_or_refused(text: str) -> None:
    """An index name that is taken has nothing in it that means more than a name."""
    with only_refusals():
        name = parse_index_name(text)
        assert not set(name) & set('\\/*?"<>| ,#:')
        assert name not in (".", "..")
        assert name[0] not in "-_+"
    with only_refusals():
        assert ":" not in parse_cluster_alias(text)


_ROLE_WORDS = [
    "cluster",
    "indices",
    "names",
    "privileges",
    "field_security",
    "grant",
    "except",
    "query",
    "run_as",
    "all",
    "read",
    "applications",
    "remote_indices",
    "remote_cluster",
    "clusters",
    "metadata",
    "allow_restricted_indices",
    "*",
    "application",
    "resources",
    "global",
    "description",
    "restriction",
    "match_all",
    "manage_security",
]


@MANY
@given(json_of(_ROLE_WORDS, leaves=20))
def test_roles_are_parsed_or_refused(body: Any) -> None:
    """What is taken is shown again as a body that is the same role."""
    with only_refusals():
        role = parse_role("r", body)
        shown = render_role(role)
        again = {name: value for name, value in shown.items() if name != "transient_metadata"}
        assert parse_role("r", again) == role


_KEY_WORDS = [
    "name",
    "access",
    "search",
    "replication",
    "names",
    "expiration",
    "metadata",
    "role_descriptors",
    "a",
    "1d",
    "field_security",
    "query",
    "certificate_identity",
    "ids",
    "id",
    "owner",
    "username",
    "realm_name",
    "*",
    "CN=.*",
    "allow_restricted_indices",
]


@MANY
@given(json_of(_KEY_WORDS, leaves=20))
def test_bodies_about_keys_are_parsed_or_refused(body: Any) -> None:
    """No body breaks a parser; a cross-cluster key always says which indices."""
    for read in (read_new_key, read_key_change, read_cross_cluster_key_change, read_invalidation):
        with only_refusals():
            read(body)
    with only_refusals():
        wanted = read_new_cross_cluster_key(body)
        assert wanted.access is None or wanted.access.indices


_TRUST_WORDS = [
    "accounts",
    "external",
    "direct",
    "account_id",
    "trust_relationship_id",
    "trust_all",
    "trust_allowlist",
    "uid",
    "name",
    "type",
    "certificates",
    "scope_id",
    "additional_node_names",
    "pem",
    "ECE",
    "ESS",
    "generic",
    "proxy",
    "abc",
]


@MANY
@given(json_of(_TRUST_WORDS, leaves=25))
def test_trust_is_parsed_or_refused(body: Any) -> None:
    """Nothing that is taken trusts everybody of nowhere, or a name with a wildcard."""
    with only_refusals():
        trust = parse_trust(body, "trust")
        for entry in trust.direct:
            assert entry.certificates
            assert all(is_node_name(name) for name in entry.additional_node_names or ())
            if entry.type is DirectTrustType.PROXY:
                assert not entry.trust_all
            elif entry.trust_all:
                assert entry.scope_id


@MANY
@given(
    json_of(
        [
            "name",
            "resources",
            "elasticsearch",
            "ref_id",
            "region",
            "plan",
            "settings",
            "trust",
            "metadata",
            "tags",
            "secrets",
            "value",
            "as_file",
            "cluster.remote.eu.credentials",
            "r",
        ],
        leaves=20,
    )
)
def test_platform_bodies_are_parsed_or_refused(body: Any) -> None:
    """Deployments and keystores: a payload or a refusal."""
    for parse in (parse_create, parse_update):
        with only_refusals():
            parse(body, "r")
    with only_refusals():
        parse_keystore(body)


@MANY
@given(
    st.one_of(
        st.binary(max_size=60),
        json_of(["is_open", "sources", "callers", "192.0.2.1", "::1"]).map(
            lambda value: (
                str(value)
                .replace("'", '"')
                .replace("False", "false")
                .replace("None", "null")
                .replace("True", "true")
                .encode("utf-8", "replace")
            )
        ),
    )
)
def test_filters_that_are_read_open_are_empty(content: bytes) -> None:
    """The only file that lets everybody in is the empty object."""
    try:
        found = decode_traffic_filter(content)
    except ValueError:
        return
    assert not found.is_open or content.strip().replace(b" ", b"") == b"{}"


@MANY
@given(st.text(alphabet="ab.*?/[](){}|+\\^$-0123", max_size=14), st.text(alphabet="ab.-", max_size=60))
def test_patterns_take_little_time_and_no_more_than_they_say(pattern: str, name: str) -> None:
    """No pattern stalls a node; a wildcard of the certificate model never crosses a dot."""
    begun = time.thread_time()
    with only_refusals():
        matcher(pattern)(name * 20)
    with only_refusals():
        if name_matcher(pattern)(name) and not (len(pattern) > 1 and pattern[0] == pattern[-1] == "/"):
            assert name.count(".") == pattern.count(".")
            assert "" not in name.split(".")
    assert time.thread_time() - begun < 2


@FEW
@given(
    st.one_of(
        st.text(max_size=60),
        st.builds(
            lambda scheme, rest: f"{scheme} {rest}",
            st.sampled_from(["Basic", "ApiKey", "basic", "Bearer"]),
            st.text(max_size=40),
        ),
    )
)
def test_authorizations_are_read_or_refused(header: str) -> None:
    """Whatever stands in the header is credentials or a 401 without them in its text."""
    try:
        read_authorization(header)
    except Failure as refused:
        if refused.kind is not FailureKind.UNAUTHENTICATED:
            raise
