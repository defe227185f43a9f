"""docs/protocol.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.remotes import protocol
from isthmus.remotes.known_settings import ACTED_ON, KEPT_WITHOUT_EFFECT
from isthmus.remotes.link_state import LinkState
from isthmus.remotes.phases import Phase
from isthmus.remotes.settings import ALIAS_SETTING_NAMES

PAGE = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()
WORDS = [
    *(f"cluster.remote.<alias>.{name}" for name in ALIAS_SETTING_NAMES),
    *ACTED_ON,
    *KEPT_WITHOUT_EFFECT,
    *(action.value for action in protocol.Action),
    *(state.value for state in LinkState if state is not LinkState.CLOSED),
    *(phase.value for phase in Phase),
    protocol.CONTENT_TYPE,
    protocol.BODY_ENCODING,
    protocol.ACCEPTED_BODY_ENCODING,
    protocol.TIMEOUT_MILLISECONDS,
    protocol.OPAQUE_ID,
    protocol.TRACE_PARENT,
    protocol.REQUEST_ID,
    f"{protocol.MAXIMUM_REQUEST_BYTES // 2**20} MiB",
    f"{protocol.MAXIMUM_ANSWER_BYTES // 2**20} MiB",
]


@pytest.mark.parametrize("word", WORDS)
def test_the_page_names_it(word: str) -> None:
    """Every setting, action, state, phase, header and limit stands on the page."""
    assert word in PAGE
