"""Who may do what: role sets, wildcards, documents and fields, and the words of a denial."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from isthmus.errors import Failure, FailureKind
from isthmus.exchange import FieldAccess, IndexSelection
from isthmus.names import IndexName, IndicesOptions, KnownIndex
from isthmus.security.authorize import (
    require_cluster_action,
    require_index_action,
    select_indices,
)
from isthmus.security.builtin_roles import BUILT_IN_ROLES
from isthmus.security.principal import (
    IndexPrivileges,
    Principal,
    RemoteClusterPrivileges,
    RemoteIndexPrivileges,
    RoleDescriptor,
)
from isthmus.security.remote_caller import (
    CrossClusterKey,
    RemoteSubject,
    internal_remote_subject,
    remote_principal,
    remote_subject,
)
from isthmus.security.remote_privileges import remote_role_descriptors

SEARCH = "indices:data/read/search"
KNOWN = {
    IndexName(name): KnownIndex(IndexName(name), aliases=aliases)
    for name, aliases in {
        "logs-1": {},
        "logs-2": {},
        "metrics": {},
        "secret": {"public": {}},
        ".security-7": {},
    }.items()
}


def entry(*names: str, privileges: Sequence[str] = ("read",), **more: object) -> IndexPrivileges:
    """Build an entry of ``indices``."""
    return IndexPrivileges(names=names, privileges=tuple(privileges), **more)  # type: ignore[arg-type]


def role(*entries: IndexPrivileges, name: str = "r", **more: object) -> RoleDescriptor:
    """Build a role with these index privileges."""
    return RoleDescriptor(name=name, indices=entries, **more)  # type: ignore[arg-type]


def user(*roles: RoleDescriptor, name: str = "foo") -> Principal:
    """Build a user with one set of roles."""
    return Principal(
        username=name,
        role_names=tuple(role.name for role in roles),
        role_sets=(roles,),
        realm_name="default_native",
        realm_type="native",
    )


def key_of(*sets: tuple[RoleDescriptor, ...]) -> Principal:
    """Build a REST API key with these sets of roles."""
    return Principal(
        username="foo",
        role_names=(),
        role_sets=sets,
        realm_name="_es_api_key",
        realm_type="_es_api_key",
        authentication_type="api_key",
        api_key_id="K",
        api_key_owner="foo",
    )


def names(principal: Principal, *expressions: str, **options: bool) -> list[str]:
    """Answer what these expressions select."""
    selections = select_indices(principal, SEARCH, expressions, IndicesOptions(**options), KNOWN)
    return [selection.index for selection in selections]


def test_wildcards_narrow_silently_to_what_is_allowed() -> None:
    """A caller does not learn of indices that they may not see."""
    assert names(user(role(entry("logs-*"))), "*") == ["logs-1", "logs-2"]
    assert names(user(role(entry("logs-*"))), "_all") == ["logs-1", "logs-2"]
    assert names(user(role(entry("logs-*")))) == ["logs-1", "logs-2"]
    assert names(user(role(entry("logs-*"))), "metr*") == []
    assert names(user(role(entry("/logs-[2-9]/"))), "*") == ["logs-2"]


def test_exclusions_apply_after_narrowing() -> None:
    """A name that is taken out need not be allowed."""
    assert names(user(role(entry("logs-*"))), "*", "-logs-1", "-metrics") == ["logs-2"]


def test_a_name_that_is_not_allowed_is_denied_by_name() -> None:
    """One forbidden name among several denies the request and is the one that is shown."""
    with pytest.raises(Failure) as caught:
        names(user(role(entry("logs-*"), name="foo-role")), "logs-1", "metrics", "secret")
    assert caught.value.kind is FailureKind.FORBIDDEN
    assert caught.value.reason == (
        "action [indices:data/read/search] is unauthorized for user [foo] with effective roles [foo-role] on "
        "indices [metrics,secret], this action is granted by the index privileges [read,all]"
    )


def test_unavailable_names_are_left_out_when_asked_for() -> None:
    """``ignore_unavailable`` drops what is forbidden like what is missing, so that it tells no difference."""
    someone = user(role(entry("logs-*")))
    assert names(someone, "logs-1", "metrics", "logs-9", ignore_unavailable=True) == ["logs-1"]
    assert names(someone, "metrics", ignore_unavailable=True) == []
    with pytest.raises(Failure, match="index_not_found_exception"):
        names(someone, "metrics", ignore_unavailable=True, allow_no_indices=False)


def test_a_missing_index_is_not_found_where_its_name_is_allowed() -> None:
    """404 for who may see such a name, 403 for who may not: existence is not given away."""
    with pytest.raises(Failure) as caught:
        names(user(role(entry("logs-*"))), "logs-9")
    assert caught.value.error_type == "index_not_found_exception"
    with pytest.raises(Failure) as caught:
        names(user(role(entry("logs-*"))), "nothing")
    assert caught.value.error_type == "security_exception"


def test_who_may_search_nowhere_is_denied_even_with_a_wildcard() -> None:
    """A wildcard over nothing is an empty answer only for who has the privilege somewhere."""
    with pytest.raises(Failure, match="security_exception"):
        names(user(role(entry("logs-*", privileges=("write",)))), "*")
    with pytest.raises(Failure, match="security_exception"):
        names(user(), "*")


def test_an_alias_can_be_all_that_is_allowed() -> None:
    """Through an alias one reads the index; its own name stays forbidden, and wildcards go by the alias."""
    someone = user(role(entry("public", query={"term": {"open": True}})))
    selected = select_indices(someone, SEARCH, ["public"], IndicesOptions(), KNOWN)
    assert selected == (
        IndexSelection(index=IndexName("secret"), document_filters=({"term": {"open": True}},)),
    )
    assert names(someone, "*") == ["secret"]
    assert names(someone, "pub*") == ["secret"]
    assert names(someone, "sec*") == []
    with pytest.raises(Failure, match="on indices \\[secret\\]"):
        names(someone, "secret")


def test_restricted_indices_need_their_own_permission() -> None:
    """``*`` does not reach them unless the role says so."""
    assert ".security-7" not in names(user(role(entry("*"))), ".security*", "logs-1")
    assert names(user(role(entry("*", allow_restricted_indices=True))), ".security-7") == [".security-7"]
    with pytest.raises(Failure, match=r"on restricted indices \[.security-7\]"):
        names(user(role(entry("*"))), ".security-7")


def test_the_superuser_sees_everything() -> None:
    """Restricted indices too, for reading; not for writing."""
    superuser = user(BUILT_IN_ROLES["superuser"])
    assert len(names(superuser, "*", ".security*")) == 5
    require_cluster_action(superuser, "cluster:admin/xpack/security/user/put")
    with pytest.raises(Failure):
        require_index_action(superuser, "indices:data/write/index", [".security-7"])


def test_documents_add_up_within_a_set_and_are_cut_between_sets() -> None:
    """Roles of one set show the union, a second set narrows it."""
    first, second = {"term": {"a": 1}}, {"term": {"b": 2}}
    both = (role(entry("logs-1", query=first)), role(entry("logs-*", query=second)))
    own = select_indices(user(*both), SEARCH, ["logs-1"], IndicesOptions(), KNOWN)
    union = {"bool": {"should": [first, second], "minimum_should_match": 1}}
    assert own[0].document_filters == (union,)
    keyed = key_of((role(entry("logs-1", query=first)),), (role(entry("*", query=second)),))
    assert select_indices(keyed, SEARCH, ["logs-1"], IndicesOptions(), KNOWN)[0].document_filters == (
        first,
        second,
    )
    unfiltered = user(*both, role(entry("logs-1"), name="all of it"))
    assert select_indices(unfiltered, SEARCH, ["logs-1"], IndicesOptions(), KNOWN)[0].document_filters == ()


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([{"grant": ["a"]}, {"grant": ["b"]}], FieldAccess(granted=("a", "b"))),
        ([{"grant": ["a"]}, None], None),
        ([{"grant": ["*"]}], None),
        ([{"grant": ["*"], "except": ["x"]}], FieldAccess(granted=("*",), excepted=("x",))),
        ([{"grant": ["*"], "except": ["x"]}, {"grant": ["x"]}], FieldAccess(granted=("*", "x"))),
        (
            [{"grant": ["*"], "except": ["x*"]}, {"grant": ["x1"]}],
            FieldAccess(granted=("*", "x1"), excepted=("x*",)),
        ),
        ([{"grant": []}], FieldAccess(granted=())),
    ],
)
def test_fields_add_up_within_a_set(entries: list[object], expected: FieldAccess | None) -> None:
    """What one role grants another's exception does not hide; what is in doubt stays hidden."""
    someone = user(*(role(entry("logs-1", field_security=fields)) for fields in entries))
    selected = select_indices(someone, SEARCH, ["logs-1"], IndicesOptions(), KNOWN)
    assert selected[0].field_access == (() if expected is None else (expected,))


def test_an_entry_without_the_action_shows_nothing() -> None:
    """A role that only lets one write widens neither documents nor fields for reading."""
    narrow = entry("logs-1", query={"term": {"a": 1}}, field_security={"grant": ["a"]})
    someone = user(role(narrow, entry("logs-1", privileges=("write",))))
    selected = select_indices(someone, SEARCH, ["logs-1"], IndicesOptions(), KNOWN)[0]
    assert selected.document_filters == ({"term": {"a": 1}},)
    assert selected.field_access == (FieldAccess(granted=("a",)),)


def test_every_set_must_allow() -> None:
    """A key can do what both it and its owner can; without any set nothing is allowed."""
    keyed = key_of((role(entry("*"), cluster=("monitor",)),), (role(entry("logs-*")),))
    assert names(keyed, "*") == ["logs-1", "logs-2"]
    with pytest.raises(Failure) as caught:
        names(keyed, "metrics")
    assert caught.value.reason == (
        "action [indices:data/read/search] is unauthorized for API key id [K] of user [foo] on indices "
        "[metrics], this action is granted by the index privileges [read,all]"
    )
    with pytest.raises(Failure):
        require_cluster_action(keyed, "cluster:monitor/main")
    with pytest.raises(Failure):
        require_cluster_action(key_of(), "cluster:monitor/main")
    with pytest.raises(Failure):
        require_index_action(key_of(), SEARCH, ["logs-1"])


def test_a_cluster_denial_names_roles_that_do_not_exist() -> None:
    """The sentence tells effective roles from assigned ones that were not found."""
    someone = Principal(
        username="foo",
        role_names=("b", "a", "gone"),
        role_sets=((role(name="b"), role(name="a")),),
        realm_name="default_native",
        realm_type="native",
    )
    with pytest.raises(Failure) as caught:
        require_cluster_action(someone, "cluster:monitor/main")
    assert caught.value.reason == (
        "action [cluster:monitor/main] is unauthorized for user [foo] with effective roles [a,b] (assigned "
        "roles [gone] were not found), this action is granted by the cluster privileges [monitor,manage,all]"
    )


def test_a_run_as_denial_names_both_users() -> None:
    """Who authenticated and who they act as are both told."""
    admin, bob = user(name="admin"), user(role(name="limited"), name="bob")
    acting = Principal(
        username="bob",
        role_names=bob.role_names,
        role_sets=bob.role_sets,
        realm_name=bob.realm_name,
        realm_type=bob.realm_type,
        run_by=admin,
    )
    with pytest.raises(Failure, match=r"user \[admin\] run as \[bob\] with effective roles \[limited\]"):
        require_cluster_action(acting, "cluster:monitor/main")


REMOTE_ROLE = role(
    name="remote",
    remote_indices=(
        RemoteIndexPrivileges(clusters=("e*",), names=("logs-*",), privileges=("read", "read_cross_cluster")),
        RemoteIndexPrivileges(clusters=("us",), names=("*",), privileges=("read",)),
    ),
    remote_cluster=(RemoteClusterPrivileges(clusters=("/eu|us/",), privileges=("monitor_enrich",)),),
)


def test_privileges_for_a_remote_are_those_of_its_alias() -> None:
    """Entries for the alias become plain privileges; entries for others do not travel."""
    ((descriptor,),) = remote_role_descriptors(user(REMOTE_ROLE), "eu")
    assert descriptor.cluster == ("monitor_enrich",)
    assert descriptor.indices == (entry("logs-*", privileges=("read", "read_cross_cluster")),)
    assert not descriptor.remote_indices
    assert not descriptor.remote_cluster


def test_without_remote_privileges_nothing_is_sent() -> None:
    """The denial is local and names the alias."""
    someone = Principal(
        username="foo",
        role_names=("foo-role",),
        role_sets=((),),
        realm_name="default_native",
        realm_type="native",
    )
    with pytest.raises(Failure) as caught:
        remote_role_descriptors(someone, "eu", SEARCH)
    assert caught.value.kind is FailureKind.FORBIDDEN
    assert caught.value.reason == (
        "action [indices:data/read/search] towards remote cluster [eu] is unauthorized for user [foo] with "
        "effective roles [] (assigned roles [foo-role] were not found) because no remote indices privileges "
        "apply for the target cluster"
    )
    with pytest.raises(Failure, match="because no remote cluster privileges apply for the target cluster"):
        remote_role_descriptors(someone, "eu", "cluster:monitor/xpack/enrich/esql/resolve_policy")


def test_a_key_sends_both_of_its_sets() -> None:
    """What the key narrows stays narrowed on the far side, and one empty set denies."""
    keyed = key_of((REMOTE_ROLE,), (BUILT_IN_ROLES["superuser"],))
    assert len(remote_role_descriptors(keyed, "eu")) == 2
    with pytest.raises(Failure):
        remote_role_descriptors(key_of((role(entry("*")),), (BUILT_IN_ROLES["superuser"],)), "eu")


KEY = CrossClusterKey(
    id="K",
    name="for them",
    owner_username="owner",
    owner_realm="default_native",
    role=RoleDescriptor(
        name="cross_cluster",
        cluster=("cross_cluster_search",),
        indices=(entry("logs-*", privileges=("read", "read_cross_cluster", "view_index_metadata")),),
    ),
)


def test_even_a_superuser_is_bound_by_the_key() -> None:
    """Access is what the key and the caller's remote privileges have in common."""
    caller = remote_principal(KEY, remote_subject(user(BUILT_IN_ROLES["superuser"]), "eu", SEARCH))
    assert names(caller, "*") == ["logs-1", "logs-2"]
    with pytest.raises(Failure):
        names(caller, "metrics")


def test_the_far_sides_denial_names_caller_key_and_owner() -> None:
    """The sentence is Elasticsearch's, word for word."""
    caller = remote_principal(KEY, remote_subject(user(REMOTE_ROLE, name="foo"), "us", SEARCH))
    with pytest.raises(Failure) as caught:
        names(caller, "metrics")
    assert caught.value.reason == (
        "action [indices:data/read/search] towards remote cluster is unauthorized for user [foo] with "
        "assigned roles [remote] authenticated by API key id [K] of user [owner] on indices [metrics], this "
        "action is granted by the index privileges [read,all]"
    )


def test_a_caller_with_a_key_over_there_is_described_as_one() -> None:
    """No roles are told of a key, which has none."""
    subject = remote_subject(key_of((REMOTE_ROLE,)), "eu", SEARCH)
    with pytest.raises(
        Failure, match=r"for API key id \[K\] of user \[foo\] authenticated by API key id \[K\]"
    ):
        names(remote_principal(KEY, subject), "metrics")


def test_a_subject_without_any_set_can_do_nothing() -> None:
    """Leaving out the caller's privileges does not leave the key's alone."""
    subject = RemoteSubject(username="foo", realm_name="r", realm_type="native")
    with pytest.raises(Failure):
        names(remote_principal(KEY, subject), "*")


@pytest.mark.parametrize(
    "descriptor",
    [
        RoleDescriptor(name="x", cluster=("all",)),
        RoleDescriptor(name="x", run_as=("*",)),
        REMOTE_ROLE,
    ],
)
def test_a_subject_may_carry_only_plain_privileges(descriptor: RoleDescriptor) -> None:
    """What the other cluster cannot grant here is refused, not ignored."""
    subject = RemoteSubject(username="foo", realm_name="r", realm_type="native", role_sets=((descriptor,),))
    with pytest.raises(Failure, match="can only contain index privileges"):
        remote_principal(KEY, subject)


def test_the_other_cluster_itself_may_only_shake_hands() -> None:
    """The internal caller has the handshake by the key, whatever privileges it claims."""
    caller = remote_principal(KEY, internal_remote_subject())
    require_cluster_action(caller, "cluster:internal/remote_cluster/handshake")
    with pytest.raises(Failure):
        names(caller, "logs-1")
    with pytest.raises(Failure):
        require_cluster_action(caller, "cluster:monitor/state")
