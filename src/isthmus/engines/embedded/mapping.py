"""A mapping: which fields an index has, and of which type. A value; nothing here reads a document.

Parsing is in :mod:`isthmus.engines.embedded.mapping_parse`, merging in ``mapping_merge``, and what
a new field of a document becomes in ``mapping_dynamic``.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as ReadOnlyMapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from isthmus.engines.embedded.field_types import FIELD_TYPES, FieldType
from isthmus.exchange import Json, JsonObject

_WITHOUT_DOC_VALUES: Final = frozenset({"completion", "text"})

DEFAULT_DATE_FORMAT: Final = "strict_date_optional_time||epoch_millis"


class Dynamic(Enum):
    """What happens to a field of a document that is not mapped."""

    TRUE = "true"
    FALSE = "false"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """One leaf field. ``path`` is its full dotted name, of a multi-field too (``title.keyword``).

    ``explicit`` holds the parameters as they were given (without ``type`` and ``fields``);
    ``parent`` is the path of the field that feeds a multi-field, else None.
    """

    path: str
    type: str
    explicit: ReadOnlyMapping[str, Json] = field(default_factory=dict)
    subfields: tuple[FieldMapping, ...] = ()
    parent: str | None = None

    @property
    def name(self) -> str:
        """Answer the last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def field_type(self) -> FieldType:
        """Answer the type's entry in the table of types."""
        return FIELD_TYPES[self.type]

    @property
    def index(self) -> bool:
        """Tell whether the field was asked to be indexed."""
        return bool(self.explicit.get("index", True))

    @property
    def doc_values(self) -> bool:
        """Tell whether the field may be sorted and aggregated on."""
        return self.type not in _WITHOUT_DOC_VALUES and bool(self.explicit.get("doc_values", True))

    @property
    def is_searchable(self) -> bool:
        """Tell whether the field has columns. Like Elasticsearch's, doc values alone can be searched."""
        return self.index or self.doc_values

    @property
    def analyzer(self) -> str:
        """Answer the analyzer of a text field."""
        return str(self.explicit.get("analyzer", "default"))

    @property
    def search_analyzer(self) -> str:
        """Answer the analyzer for the words of a query against a text field."""
        return str(self.explicit.get("search_analyzer", self.analyzer))

    @property
    def ignore_above(self) -> int | None:
        """Answer the length in characters above which a keyword is not indexed, or None."""
        limit = self.explicit.get("ignore_above")
        return None if limit is None else int(limit)

    @property
    def null_value(self) -> Json:
        """Answer what stands for an explicit null, or None."""
        return self.explicit.get("null_value")

    @property
    def date_format(self) -> str:
        """Answer the format of a date field: patterns or names, joined by ``||``."""
        return str(self.explicit.get("format", DEFAULT_DATE_FORMAT))

    @property
    def scaling_factor(self) -> float:
        """Answer the factor of a scaled_float."""
        return float(self.explicit.get("scaling_factor", 1.0))

    @property
    def coerce(self) -> bool:
        """Tell whether "12" and 12.7 are taken as numbers."""
        return bool(self.explicit.get("coerce", True))

    @property
    def ignore_malformed(self) -> bool:
        """Tell whether a value that cannot be read is left out instead of failing the document."""
        return bool(self.explicit.get("ignore_malformed", False))

    def to_json(self) -> JsonObject:
        """Answer the field's part of ``GET _mapping``."""
        json: JsonObject = {"type": self.type, **self.explicit}
        if self.subfields:
            json["fields"] = {each.name: each.to_json() for each in self.subfields}
        return json


@dataclass(frozen=True, slots=True)
class ObjectMapping:
    """One object. ``dynamic`` None is inherited from the object around it. The root's path is empty."""

    path: str = ""
    dynamic: Dynamic | None = None
    enabled: bool = True
    children: ReadOnlyMapping[str, FieldMapping | ObjectMapping] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """Answer the object's part of ``GET _mapping``."""
        json: JsonObject = {}
        if self.dynamic is not None:
            json["dynamic"] = self.dynamic.value
        if not self.enabled:
            json["enabled"] = False
        if self.children:
            json["properties"] = {name: self.children[name].to_json() for name in sorted(self.children)}
        elif self.path:
            json["type"] = "object"
        return json


_NO_FIELDS: Final[ReadOnlyMapping[str, Any]] = MappingProxyType({})


class Mapping:
    """The mapping of one index. Immutable; made by ``parse_mapping`` and by merging."""

    __slots__ = (
        "date_detection",
        "fields",
        "meta",
        "numeric_detection",
        "object_paths",
        "objects",
        "root",
        "source_enabled",
        "total_fields",
    )

    def __init__(
        self,
        root: ObjectMapping,
        *,
        source_enabled: bool = True,
        date_detection: bool = True,
        numeric_detection: bool = False,
        meta: ReadOnlyMapping[str, Json] = _NO_FIELDS,
    ) -> None:
        self.root = root
        self.source_enabled = source_enabled
        self.date_detection = date_detection
        self.numeric_detection = numeric_detection
        self.meta = meta
        fields: dict[str, FieldMapping] = {}
        objects: dict[str, ObjectMapping] = {}
        for node in _walk(root):
            if isinstance(node, FieldMapping):
                fields[node.path] = node
            else:
                objects[node.path] = node
        self.fields: ReadOnlyMapping[str, FieldMapping] = MappingProxyType(fields)
        """Every leaf field by path, multi-fields included."""
        self.objects: ReadOnlyMapping[str, ObjectMapping] = MappingProxyType(objects)
        """Every object below the root by path."""
        self.object_paths = frozenset(objects)
        self.total_fields = len(fields) + len(objects)

    @property
    def dynamic(self) -> Dynamic:
        """Answer what happens at the root to fields that are not mapped."""
        return self.root.dynamic or Dynamic.TRUE

    def field(self, path: str) -> FieldMapping | None:
        """Answer the leaf field of that full path (multi-fields too), or None."""
        return self.fields.get(path)

    def leaves_under(self, path: str) -> tuple[FieldMapping, ...]:
        """Answer every leaf field below an object, in order of path."""
        prefix = f"{path}."
        return tuple(self.fields[each] for each in sorted(self.fields) if each.startswith(prefix))

    def to_json(self) -> JsonObject:
        """Answer what ``GET _mapping`` shows below ``mappings``."""
        json: JsonObject = {}
        if not self.source_enabled:
            json["_source"] = {"enabled": False}
        if self.meta:
            json["_meta"] = dict(self.meta)
        if not self.date_detection:
            json["date_detection"] = False
        if self.numeric_detection:
            json["numeric_detection"] = True
        json.update(self.root.to_json())
        return json

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(frozenset(self.fields))


def _walk(node: ObjectMapping) -> Iterator[FieldMapping | ObjectMapping]:
    for child in node.children.values():
        yield child
        if isinstance(child, ObjectMapping):
            yield from _walk(child)
        else:
            yield from child.subfields
