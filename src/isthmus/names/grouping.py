"""Which cluster each index expression is for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from isthmus.errors import Failure, FailureKind, illegal_argument
from isthmus.names.spelling import ClusterAlias
from isthmus.names.wildcards import is_wildcard, wildcard_matches

#: how answers and messages call the cluster that was asked; no alias can look like it
LOCAL_CLUSTER: Final = "(local)"


def split_expressions(text: str) -> tuple[str, ...]:
    """Split a comma list as Elasticsearch does: empty parts at its end count for nothing, others are names.

    No text is no expression; nothing but commas is an empty name.
    """
    if not text:
        return ()
    parts = text.split(",")
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return tuple(parts)


def is_cross_cluster(expression: str) -> bool:
    """Say whether an expression names another cluster; never raises."""
    return not expression.startswith((":", "<", "-<")) and _separator(expression) > 0


def require_local(expressions: Iterable[str]) -> None:
    """Return if no expression names another cluster; raises a 400 failure that lists those that do.

    For what can only be asked of one cluster.
    """
    remote = [expression for expression in expressions if is_cross_cluster(expression)]
    if remote:
        raise illegal_argument(
            "Cross-cluster calls are not supported in this context but remote indices were requested: "
            f"[{', '.join(remote)}]"
        )


def group_by_cluster(
    expressions: Sequence[str], configured: Collection[ClusterAlias]
) -> dict[ClusterAlias | None, tuple[str, ...]]:
    """Answer what to ask of each cluster; the key None is this one.

    The order of the expressions of one cluster is kept, because an exclusion applies to what
    stands before it. No expression at all means everything local: ``{None: ()}``.

    Raises ``no_such_remote_cluster_exception`` (404) for an alias that is not configured, and
    400 failures for an empty alias and for exclusions that cannot be meant.
    """
    if not expressions:
        return {None: ()}
    included: dict[ClusterAlias | None, list[str]] = {}
    excluded: dict[ClusterAlias, None] = {}
    unmatched: str | None = None
    # Thousands of names may follow one wildcard, and thousands of clusters may match it.
    matches: dict[str, list[ClusterAlias]] = {}
    for expression in expressions:
        alias, index = _split(expression)
        if alias is None:
            _add(included, None, expression)
            continue
        if alias in configured:  # neither a wildcard nor an exclusion: no alias looks like one
            _add(included, ClusterAlias(alias), index)
            continue
        negated = alias[0] == "-"
        pattern = alias[1:] if negated else alias
        matching = matches.get(pattern)
        if matching is None:
            matching = matches[pattern] = _matching_aliases(pattern, configured)
        if not matching:
            unmatched = unmatched or pattern
        if negated:
            _require_whole_cluster(index)
            excluded.update(dict.fromkeys(matching))
        else:
            for name in matching:
                _add(included, name, index)
    return _without(included, excluded, unmatched, expressions)


def _add(included: dict[ClusterAlias | None, list[str]], alias: ClusterAlias | None, expression: str) -> None:
    wanted = included.get(alias)
    if wanted is None:
        included[alias] = [expression]
    else:
        wanted.append(expression)


def _without(
    included: dict[ClusterAlias | None, list[str]],
    excluded: Collection[ClusterAlias],
    unmatched: str | None,
    expressions: Sequence[str],
) -> dict[ClusterAlias | None, tuple[str, ...]]:
    missing = [name for name in excluded if name not in included]
    if missing:
        raise _exclusion_not_included(missing, included, expressions)
    kept = {name: tuple(indices) for name, indices in included.items() if name not in excluded}
    if kept:
        return kept
    if excluded:
        raise illegal_argument(
            "The '-' exclusions in the index expression list excludes all indexes. "
            f"Nothing to search. Input: [{','.join(expressions)}]"
        )
    # Only wildcards that match no cluster: answering nothing would hide a typing error.
    raise no_such_remote_cluster(unmatched or "")


def no_such_remote_cluster(alias: str) -> Failure:
    """Answer the failure for a cluster that is not configured here (404)."""
    return Failure(
        FailureKind.NOT_FOUND, "no_such_remote_cluster_exception", f"no such remote cluster: [{alias}]"
    )


def _separator(expression: str) -> int:
    """Answer where the alias ends, -1 for none; ``::`` starts a component selector instead."""
    position = expression.find(":")
    if position >= 0 and expression.startswith("::", position):
        return -1
    return position


def _split(expression: str) -> tuple[str | None, str]:
    position = expression.find(":")
    if position < 0 or expression.startswith(("<", "-<")):  # date math may hold colons of its own
        return None, expression
    if expression.startswith("::", position):
        return None, expression
    if position == 0 or (position == 1 and expression[0] == "-"):
        raise illegal_argument(f"index name [{expression}] is invalid because the remote part is empty")
    return expression[:position], expression[position + 1 :]


def _matching_aliases(pattern: str, configured: Collection[ClusterAlias]) -> list[ClusterAlias]:
    """Answer the clusters of one alias or alias wildcard, in the order of their names."""
    if not is_wildcard(pattern):
        alias = ClusterAlias(pattern)
        if alias not in configured:
            raise no_such_remote_cluster(pattern)
        return [alias]
    return sorted(name for name in configured if wildcard_matches(pattern, name))


def _require_whole_cluster(index: str) -> None:
    """Refuse ``-alias:something``: only whole clusters can be taken out this way."""
    name, separator, selector = index.partition("::")
    if name != "*":
        raise illegal_argument(
            "To exclude a cluster you must specify the '*' wildcard for the index expression, "
            f"but found: [{name}]"
        )
    if separator and selector != "*":
        raise illegal_argument(
            "To exclude a cluster you must specify the '::*' selector or leave it off, "
            f"but found: [{selector}]"
        )


def _exclusion_not_included(
    missing: Sequence[ClusterAlias], included: Iterable[ClusterAlias | None], expressions: Sequence[str]
) -> Failure:
    noun, verb = ("cluster", "it is") if len(missing) == 1 else ("clusters", "they are")
    names = ", ".join(missing)
    present = ", ".join(LOCAL_CLUSTER if name is None else name for name in included)
    return illegal_argument(
        f"Attempt to exclude {noun} [{names}] failed as {verb} not included in the list of clusters "
        f"to be included: [{present}]. Input: [{','.join(expressions)}]"
    )
