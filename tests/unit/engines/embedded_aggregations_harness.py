"""Small indices in memory, made as the engine makes them, for tests of aggregations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import tantivy

from isthmus.engines.embedded.aggregations.scope import AggregatedIndex
from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.columns import MappingColumns, allocate
from isthmus.engines.embedded.document import DocumentParser
from isthmus.engines.embedded.mapping_parse import parse_mapping
from isthmus.engines.embedded.query.compiler import compile_clause, compile_query
from isthmus.engines.embedded.query.context import QueryContext
from isthmus.engines.embedded.schema import _schema, column_values, register_analyzers

NOW_MILLISECONDS = 1_700_000_000_000


def aggregated_index(
    documents: Sequence[dict[str, Any]],
    properties: dict[str, Any] | None = None,
    *,
    query: dict[str, Any] | None = None,
    limits: dict[str, Any] | None = None,
    hidden: frozenset[str] = frozenset(),
    commit_every: int = 1_000,
    name: str = "things",
) -> AggregatedIndex:
    """Answer an index of these documents, searched with a query by somebody who sees ``limits``."""
    mapping = parse_mapping({"properties": properties or {}})
    parsed = []
    for number, document in enumerate(documents):
        each = DocumentParser(mapping).parse(str(number), orjson.dumps(document))
        mapping = each.mapping
        parsed.append(each)
    columns = allocate(MappingColumns(), mapping)
    schema = _schema(columns)
    index = tantivy.Index(schema)
    analyzers = Analyzers()
    register_analyzers(index, columns, analyzers)
    writer = index.writer(15_000_000, 1)
    for number, each in enumerate(parsed):
        values = column_values(str(number), number, each, columns)
        writer.add_document(tantivy.Document.from_dict(values, schema))
        if number % commit_every == commit_every - 1:
            writer.commit()
    writer.commit()
    index.reload()
    context = QueryContext(
        index_name=name,
        mapping=mapping,
        columns=columns,
        schema=schema,
        analyzers=analyzers,
        index=index,
        searcher=index.searcher(),
        now_milliseconds=NOW_MILLISECONDS,
        compile_clause=compile_clause,
        is_visible=lambda path: path not in hidden,
    )
    visible = compile_query(limits or {"match_all": {}}, context).query
    wanted = compile_query(query or {"match_all": {}}, context).query
    within = tantivy.Query.boolean_query([(tantivy.Occur.Must, wanted), (tantivy.Occur.Must, visible)])
    return AggregatedIndex(context, within, visible)
