"""One document's JSON to the values of its fields, growing the mapping as Elasticsearch would.

Pure: a document that fails leaves no trace, and one that adds fields answers the larger mapping.
"""

from __future__ import annotations

from typing import Final

import msgspec
import orjson

from isthmus.engines.embedded.analysis import Analyzers
from isthmus.engines.embedded.document_completions import field_reader
from isthmus.engines.embedded.document_failures import (
    document_failure,
    malformed_document,
    strict_failure,
    value_failure,
)
from isthmus.engines.embedded.document_fields import FieldReader, flat
from isthmus.engines.embedded.field_types import ColumnKind
from isthmus.engines.embedded.field_types_values import ColumnValue
from isthmus.engines.embedded.mapping import Dynamic, FieldMapping, Mapping, ObjectMapping
from isthmus.engines.embedded.mapping_dynamic import infer_field
from isthmus.engines.embedded.mapping_merge import check_field_limit, merge_mappings
from isthmus.engines.embedded.mapping_parse import MAXIMUM_DEPTH
from isthmus.errors import Failure
from isthmus.exchange import Json, JsonObject

DEFAULT_FIELD_LIMIT: Final = 1000
"""The default of ``index.mapping.total_fields.limit``."""


class ParsedDocument(msgspec.Struct, frozen=True):
    """What a document holds. ``mapping`` is the very object given when nothing was added to it.

    ``values``: path of each leaf field (multi-fields too) that has a value, to its values: in the
    order given for text, ascending and without duplicates for keywords and addresses, ascending
    for everything else. ``many_valued``: paths of fields that are not text with different values.
    """

    values: dict[str, list[ColumnValue]]
    mapping: Mapping
    many_valued: frozenset[str] = frozenset()


class DocumentParser:
    """Parses documents against one mapping, again and again."""

    def __init__(
        self,
        mapping: Mapping,
        field_limit: int = DEFAULT_FIELD_LIMIT,
        analyzers: Analyzers | None = None,
    ) -> None:
        self.mapping = mapping
        self._field_limit = field_limit
        self._analyzers = Analyzers() if analyzers is None else analyzers
        self._fields = {
            path: field_reader(each, self._analyzers)
            for path, each in mapping.fields.items()
            if each.parent is None
        }

    def grown(self, mapping: Mapping) -> DocumentParser:
        """Answer the parser of the same index with a larger mapping."""
        return DocumentParser(mapping, self._field_limit, self._analyzers)

    def parse(self, document_id: str, source: bytes) -> ParsedDocument:
        """Read one document.

        Raises a failure of type ``document_parsing_exception``, ``strict_dynamic_mapping_exception``
        or ``illegal_argument_exception``, each a 400 of this document only.
        """
        return _DocumentWalk(
            self.mapping, self._fields, self._field_limit, self._analyzers, document_id, source
        ).run()


class _DocumentWalk:
    """One run of :meth:`DocumentParser.parse`."""

    def __init__(
        self,
        mapping: Mapping,
        fields: dict[str, FieldReader],
        field_limit: int,
        analyzers: Analyzers,
        document_id: str,
        source: bytes,
    ) -> None:
        self._mapping = mapping
        self._fields = fields
        self._field_limit = field_limit
        self._analyzers = analyzers
        self._id = document_id
        self._source = source
        self._new_fields: dict[str, FieldReader] = {}
        self._new_objects: dict[str, ObjectMapping] = {}
        self._values: dict[str, list[ColumnValue]] = {}

    def run(self) -> ParsedDocument:
        self._object("", self._load(), self._mapping.dynamic, 1)
        mapping = self._grown_mapping()
        many_valued = []
        for path, given in self._values.items():
            if len(given) == 1:
                continue
            mapped = mapping.fields[path]
            kind = mapped.field_type.kind
            if kind is ColumnKind.TEXT or mapped.type == "completion":
                continue
            # values of one field are all text or all numbers, so they compare
            ordered = sorted(set(given) if kind is ColumnKind.KEYWORD else given)
            self._values[path] = ordered
            if ordered[0] != ordered[-1]:
                many_valued.append(path)
        return ParsedDocument(self._values, mapping, frozenset(many_valued))

    def _load(self) -> JsonObject:
        try:
            json = orjson.loads(self._source)
        except orjson.JSONDecodeError as error:
            raise malformed_document(self._source, error) from error
        if not isinstance(json, dict):
            raise document_failure(self._source, None, "Malformed content, must start with an object")
        return json

    def _object(self, prefix: str, json: JsonObject, dynamic: Dynamic, depth: int) -> None:
        if depth > MAXIMUM_DEPTH:
            raise document_failure(
                self._source,
                None,
                f"The depth of the field has exceeded the allowed limit of [{MAXIMUM_DEPTH}]. This limit "
                "can be set by changing the [index.mapping.depth.limit] index level setting.",
            )
        for name, value in json.items():
            path = prefix + name
            field = self._fields.get(path) or self._new_fields.get(path)
            if field is not None:
                field.read(value, self._values, self._refuse)
                continue
            known = self._mapping.objects.get(path) or self._new_objects.get(path)
            if known is not None:
                self._known_object(known, value, dynamic, depth)
            else:
                self._unmapped(prefix, name, value, dynamic, depth)

    def _known_object(self, known: ObjectMapping, value: Json, dynamic: Dynamic, depth: int) -> None:
        if not known.enabled or value is None:
            return
        for each in flat(value):
            if isinstance(each, dict):
                self._object(f"{known.path}.", each, known.dynamic or dynamic, depth + 1)
            elif each is not None:
                raise document_failure(
                    self._source,
                    known.path,
                    f"object mapping for [{known.path}] tried to parse field "
                    f"[{known.path.rpartition('.')[2]}] as object, but found a concrete value",
                )

    def _unmapped(self, prefix: str, name: str, value: Json, dynamic: Dynamic, depth: int) -> None:
        path = prefix + name
        self._check_name(name, path)
        if "." in name:
            parent = self._nearest_object(prefix, name)
            if parent is not None:
                if not parent.enabled:
                    return
                dynamic = parent.dynamic or dynamic
        if dynamic is Dynamic.FALSE:
            return
        if dynamic is Dynamic.STRICT:
            raise strict_failure(self._source, path, prefix.rstrip(".") or "_doc")
        first = next((each for each in flat(value) if each is not None), None)
        if first is None:
            return
        self._add_objects_above(path)
        if isinstance(first, dict):
            added = ObjectMapping(path)
            self._new_objects[path] = added
            self._known_object(added, value, dynamic, depth)
            return
        added_field = field_reader(infer_field(self._mapping, path, first), self._analyzers)
        self._new_fields[path] = added_field
        added_field.read(value, self._values, self._refuse)

    def _check_name(self, name: str, path: str) -> None:
        if not name.strip():
            raise document_failure(
                self._source,
                path,
                "field name cannot be an empty string"
                if not name
                else "Field name cannot contain only the whitespace",
            )
        if any(not part.strip() for part in name.split(".")):
            raise document_failure(
                self._source, path, f"field name cannot contain only whitespace: ['{name}']"
            )

    def _nearest_object(self, prefix: str, name: str) -> ObjectMapping | None:
        above = name
        while "." in above:
            above = above.rpartition(".")[0]
            known = self._mapping.objects.get(prefix + above)
            if known is not None:
                return known
        return None

    def _add_objects_above(self, path: str) -> None:
        above = path
        while "." in above:
            above = above.rpartition(".")[0]
            blocking = self._fields.get(above) or self._new_fields.get(above)
            if blocking is not None:
                raise document_failure(
                    self._source,
                    path,
                    f"Could not dynamically add mapping for field [{path}]. Existing mapping for "
                    f"[{above}] must be of type object but found [{blocking.field.type}].",
                )
            if above not in self._mapping.objects and above not in self._new_objects:
                self._new_objects[above] = ObjectMapping(above)

    def _refuse(self, field: FieldMapping, value: Json, cause: Failure) -> Failure:
        return value_failure(self._source, field, self._id, value, cause)

    def _grown_mapping(self) -> Mapping:
        if not self._new_fields and not self._new_objects:
            return self._mapping
        added = {path: each.field for path, each in self._new_fields.items()}
        root = ObjectMapping("", children=_tree("", added, self._new_objects))
        grown = merge_mappings(self._mapping, Mapping(root))
        check_field_limit(self._mapping, grown, self._field_limit)
        return grown


def _tree(
    prefix: str,
    fields: dict[str, FieldMapping],
    objects: dict[str, ObjectMapping],
) -> dict[str, FieldMapping | ObjectMapping]:
    """Build the tree of new nodes from their full paths; objects that exist become bare parents."""
    children: dict[str, FieldMapping | ObjectMapping] = {}
    names = {path[len(prefix) :].partition(".")[0] for path in (*fields, *objects) if path.startswith(prefix)}
    for name in sorted(names):
        path = prefix + name
        if path in fields:
            children[name] = fields[path]
        else:
            below = f"{path}."
            children[name] = ObjectMapping(
                path,
                children=_tree(
                    below,
                    {each: field for each, field in fields.items() if each.startswith(below)},
                    {each: node for each, node in objects.items() if each.startswith(below)},
                ),
            )
    return children
