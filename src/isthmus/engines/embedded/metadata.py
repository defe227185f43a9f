"""What is known of an index besides its documents: one small JSON file, replaced in one step.

The file is what makes an index exist. It is written (and on disk) before the first operation that
relies on it, so a crash leaves the state before or the state after, never something between.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from isthmus.engines.embedded.columns import MappingColumns, columns_from_json
from isthmus.engines.embedded.mapping import Mapping
from isthmus.engines.embedded.mapping_parse import parse_mapping
from isthmus.exchange import JsonObject
from isthmus.names import IndexName

METADATA_FILE: Final = "metadata.json"
FORMAT_VERSION: Final = 1
"""Raised when the files change so that an older release could not read them."""


@dataclass(frozen=True, slots=True)
class IndexMetadata:
    """One index. ``settings`` is the flat form; ``generation`` numbers its search directory.

    A ``closed`` index keeps everything and serves no document.
    """

    name: IndexName
    uuid: str
    created_milliseconds: int
    mapping: Mapping
    columns: MappingColumns
    generation: int = 1
    settings: JsonObject = field(default_factory=dict)
    aliases: JsonObject = field(default_factory=dict)
    closed: bool = False


def save_metadata(directory: Path, metadata: IndexMetadata) -> None:
    """Replace the file in an index's directory; it is on disk when this returns."""
    write_durably(
        directory / METADATA_FILE,
        orjson.dumps(
            {
                "format_version": FORMAT_VERSION,
                "name": metadata.name,
                "uuid": metadata.uuid,
                "created_milliseconds": metadata.created_milliseconds,
                "generation": metadata.generation,
                "settings": metadata.settings,
                "aliases": metadata.aliases,
                "closed": metadata.closed,
                "mappings": metadata.mapping.to_json(),
                "columns": metadata.columns.to_json(),
            }
        ),
    )


def load_metadata(directory: Path) -> IndexMetadata | None:
    """Read the file, or answer None where there is none: the index was never finished or is deleted.

    Raises ValueError for a file that this release cannot read.
    """
    try:
        text = (directory / METADATA_FILE).read_bytes()
    except FileNotFoundError:
        return None
    json = orjson.loads(text)
    if json.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"{directory / METADATA_FILE} has format version {json.get('format_version')!r}")
    return IndexMetadata(
        name=json["name"],
        uuid=json["uuid"],
        created_milliseconds=json["created_milliseconds"],
        mapping=parse_mapping(json["mappings"]),
        columns=columns_from_json(json["columns"]),
        generation=json["generation"],
        settings=json["settings"],
        aliases=json["aliases"],
        closed=json.get("closed", False),
    )


def remove_metadata(directory: Path) -> None:
    """Make an index cease to exist, before its files are removed."""
    (directory / METADATA_FILE).unlink(missing_ok=True)
    sync_directory(directory)


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file so that a crash leaves the old or the new content."""
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Put a directory's entries on disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
