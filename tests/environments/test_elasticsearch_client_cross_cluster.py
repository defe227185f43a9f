"""The official client, unmodified, over two clusters: scrolling, points in time, searching by name."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from elasticsearch_clients import HELPERS, LIBRARY, client_options
from environments_support import Side, put_documents

DOCUMENTS = 700


@pytest.fixture(scope="module")
def client(local: Side) -> Iterator[Any]:
    """Make a client of the side that searches start from."""
    with LIBRARY.Elasticsearch(**client_options(local)) as made:
        yield made


@pytest.fixture(scope="module")
def both(local: Side, remote: Side) -> Iterator[str]:
    """Answer the expression of an index of 700 documents on each side."""
    name = f"scan-{uuid.uuid4().hex[:8]}"
    for side, word in ((local, "l"), (remote, "r")):
        properties = {"n": {"type": "integer"}, "same": {"type": "keyword"}}
        side.client.call("PUT", f"/{name}", {"mappings": {"properties": properties}})
        documents = {f"{word}{n}": {"n": n, "same": "tie"} for n in range(DOCUMENTS)}
        put_documents(side.client, name, documents)
    yield f"{name},{remote.alias}:{name}"
    for side in (local, remote):
        side.client.call("DELETE", f"/{name}")


def _everything() -> list[str]:
    return sorted(f"{word}{n}" for word in "lr" for n in range(DOCUMENTS))


@pytest.mark.parametrize("options", [{}, {"preserve_order": True, "query": {"sort": [{"same": "asc"}]}}])
def test_scan_reads_everything(client: Any, both: str, options: dict[str, Any]) -> None:
    """``helpers.scan`` yields each document of both sides once, in index order and in one where all tie."""
    found = [hit["_id"] for hit in HELPERS.scan(client, index=both, size=300, scroll="1m", **options)]
    assert len(found) == 2 * DOCUMENTS
    assert sorted(found) == _everything()


def test_scan_clears_its_scroll(client: Any, both: str) -> None:
    """A scan that is given up half-way leaves nothing open; its scroll is unknown afterwards."""
    first = client.search(index=both, scroll="1m", size=10)
    assert client.clear_scroll(scroll_id=first["_scroll_id"])["num_freed"] == 2
    with pytest.raises(LIBRARY.NotFoundError) as missing:
        client.scroll(scroll_id=first["_scroll_id"])
    body = missing.value.body
    assert body["error"]["root_cause"][0]["type"] == "search_context_missing_exception"
    scan = HELPERS.scan(client, index=both, size=100)
    next(scan)
    scan.close()
    assert client.options(ignore_status=404).clear_scroll(scroll_id="_all")["num_freed"] == 0


def test_a_point_in_time_is_paged_with_search_after(client: Any, both: str) -> None:
    """Every document once although all of them tie, and none that was written after it was opened."""
    opened = client.open_point_in_time(index=both, keep_alive="1m")
    assert opened["_shards"]["successful"] == 2
    late = both.split(",", maxsplit=1)[0]
    client.index(index=late, id="late", document={"n": 0, "same": "tie"}, refresh=True)
    point, after, found = opened["id"], None, []
    while True:
        page = client.search(
            pit={"id": point, "keep_alive": "1m"}, sort=[{"same": "asc"}], size=250, search_after=after
        )
        hits = page["hits"]["hits"]
        if not hits:
            break
        found += [hit["_id"] for hit in hits]
        point, after = page["pit_id"], hits[-1]["sort"]
        assert len(after) == 2
    client.delete(index=late, id="late", refresh=True)
    assert sorted(found) == _everything()
    assert client.close_point_in_time(id=point)["num_freed"] == 2
    with pytest.raises(LIBRARY.NotFoundError):
        client.search(pit={"id": point})
    with pytest.raises(LIBRARY.NotFoundError):
        client.close_point_in_time(id=point)


def test_the_tie_breaker_can_be_asked_for(client: Any, both: str) -> None:
    """``_shard_doc`` sorts on its own; each number is another one."""
    point = client.open_point_in_time(index=both, keep_alive="1m")["id"]
    page = client.search(pit={"id": point}, sort=["_shard_doc"], size=1000)
    numbers = [hit["sort"][0] for hit in page["hits"]["hits"]]
    assert numbers == sorted(set(numbers))
    rest = client.search(pit={"id": point}, sort=["_shard_doc"], size=1000, search_after=[numbers[-1]])
    assert len(numbers) + len(rest["hits"]["hits"]) == 2 * DOCUMENTS
    client.close_point_in_time(id=point)


def test_what_cannot_be_is_refused_in_elasticsearchs_words(client: Any, both: str) -> None:
    """Both kinds of errors that clients show their users."""
    refused = [
        (lambda: client.search(index=both, scroll="1m", size=0), "[size] cannot be [0] in a scroll context"),
        (lambda: client.search(index=both, scroll="1m", from_=5), "using [from] is not allowed"),
        (lambda: client.search(index=both, scroll="25h"), "Keep alive for request (1d) is too large"),
        (lambda: client.search(index=both, sort=["_shard_doc"]), "[_shard_doc] sort field cannot be used"),
        (lambda: client.search(index=both, pit={"id": "x"}), "invalid id: [x]"),
        (lambda: client.scroll(scroll_id="nonsense"), "Cannot parse scroll id"),
        (lambda: client.open_point_in_time(index=both, keep_alive="25h"), "is too large"),
        (lambda: client.search(index="none-of-these", scroll="1m"), "no such index [none-of-these]"),
    ]
    for attempt, words in refused:
        with pytest.raises(LIBRARY.ApiError) as failure:
            attempt()
        assert failure.value.status_code in {400, 404}
        assert words in str(failure.value.body)
    point = client.open_point_in_time(index=both, keep_alive="1m")["id"]
    with pytest.raises(LIBRARY.BadRequestError, match="cannot be used with point in time"):
        client.search(index=both, pit={"id": point})
    client.close_point_in_time(id=point)
