"""docs/audit.md and docs/roles.md say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.security.audit_events import EventType
from isthmus.security.audit_settings import DEFAULTS
from isthmus.security.builtin_roles import BUILT_IN_ROLES

DOCS = Path(__file__).parents[3] / "docs"
AUDIT = (DOCS / "audit.md").read_text()
ROLES = (DOCS / "roles.md").read_text()


@pytest.mark.parametrize("word", [*(event.value for event in EventType), *DEFAULTS])
def test_the_page_on_audit_names_it(word: str) -> None:
    """Every kind of event and every setting stands on the page."""
    assert f"`{word}`" in AUDIT


@pytest.mark.parametrize("name", sorted(BUILT_IN_ROLES))
def test_the_page_on_roles_names_it(name: str) -> None:
    """Every built-in role stands on the page."""
    assert f"`{name}`" in ROLES
