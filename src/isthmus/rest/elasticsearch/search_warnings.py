"""``Warning`` headers of answers that are not whole, in Elasticsearch's form of RFC 7234's code 299.

Clients hand these to whoever runs the program, who may never look at ``_clusters``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from isthmus.names.grouping import LOCAL_CLUSTER
from isthmus.settings import COMPATIBLE_VERSION

Headers: TypeAlias = tuple[tuple[str, str], ...]

#: a header has to stay readable, and fit into what proxies let through
_MOST_WARNINGS: Final = 10
_MOST_CHARACTERS: Final = 300
#: what a quoted string may hold as it is; a quotation mark would end it for clients that do not unescape
_PLAIN: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in '"\\%')


def warnings_of(body: Mapping[str, Any]) -> Headers:
    """Answer the headers for the body of a search or count: one for each cluster that is not whole."""
    return _headers(_texts(body))


def warnings_of_many(bodies: Iterable[Mapping[str, Any]]) -> Headers:
    """Answer the headers for several answers in one; what two of them have to say is said once."""
    return _headers(dict.fromkeys(text for body in bodies for text in _texts(body)))


def warning_header(text: str) -> tuple[str, str]:
    """Answer one header. What is not printable ASCII is percent-encoded, as by Elasticsearch."""
    value = quote(text[:_MOST_CHARACTERS].replace('"', "'"), safe=_PLAIN)
    return ("Warning", f'299 Elasticsearch-{COMPATIBLE_VERSION}-unknown "{value}"')


def _headers(texts: Iterable[str]) -> Headers:
    listed = list(texts)
    shown = listed[:_MOST_WARNINGS]
    if len(listed) > len(shown):
        shown[-1] = f"partial results: and {len(listed) - len(shown) + 1} more"
    return tuple(warning_header(text) for text in shown)


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    clusters = body.get("_clusters")
    if clusters is not None:
        for alias, detail in clusters["details"].items():
            if detail["status"] not in ("successful", "running"):
                yield f"partial results: {_cluster(alias)} {_what_became_of(detail)}"
    elif body.get("timed_out"):
        yield "partial results: the search timed out"
    elif body.get("_shards", {}).get("failed"):
        yield f"partial results: {_failed(body['_shards'])}"


def _cluster(alias: str) -> str:
    return "this cluster" if alias == LOCAL_CLUSTER else f"remote cluster [{alias}]"


def _what_became_of(detail: Mapping[str, Any]) -> str:
    failures = detail.get("failures")
    cause = ""
    if failures:
        reason = failures[0]["reason"]
        cause = f": [{reason['type']}] {reason['reason']}"
    if detail["status"] == "partial":
        part = _failed(detail["_shards"]) if detail.get("_shards", {}).get("failed") else "timed out"
        return f"answered in part, {part}{cause}"
    return f"{'was skipped' if detail['status'] == 'skipped' else 'failed'}{cause}"


def _failed(shards: Mapping[str, Any]) -> str:
    return f"[{shards['failed']}] of [{shards['total']}] shards failed"
