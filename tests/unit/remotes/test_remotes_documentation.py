"""docs/protocol.md and docs/remote-cluster-settings.md say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from isthmus.remotes import protocol
from isthmus.remotes.address import HostAndPort
from isthmus.remotes.connection_modes import ProxyMode, SniffMode
from isthmus.remotes.known_settings import ACTED_ON, KEPT_WITHOUT_EFFECT
from isthmus.remotes.link_state import LinkState
from isthmus.remotes.phases import Phase
from isthmus.remotes.setting_defaults import alias_defaults
from isthmus.remotes.setting_values import ConnectionMode
from isthmus.remotes.settings import ALIAS_SETTING_NAMES, MODE_OF_SETTING
from isthmus.remotes.signing_settings import SIGNATURE_TRUST_SETTINGS
from isthmus.remotes.static_settings import STATIC_DEFAULTS

DOCUMENTATION = Path(__file__).parents[3] / "docs"
PAGE = (DOCUMENTATION / "protocol.md").read_text()
SETTINGS_PAGE = (DOCUMENTATION / "remote-cluster-settings.md").read_text()
#: a table's row: name, default, and whatever follows
ROW = re.compile(r"^\| `([^`]+)` \| (?:`([^`]*)`)? ?\|(?: (proxy|sniff)? ?\|)?", re.MULTILINE)
SEED = (HostAndPort("seed", 9443),)
WORDS = [
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


def rows(heading: str) -> dict[str, tuple[str, str]]:
    """Answer default and mode of every setting in the table below a heading; "" where there is none."""
    section = SETTINGS_PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return {name: (default, mode) for name, default, mode in ROW.findall(section)}


def test_every_setting_of_an_alias_stands_there_with_its_default_and_mode() -> None:
    """The table has exactly the settings that the code has, and the defaults that it would use."""
    of_page = rows("Of an alias")
    assert set(of_page) == set(ALIAS_SETTING_NAMES)
    assert {name: mode for name, (_, mode) in of_page.items()} == {
        name: "" if mode is None else mode.value for name, mode in MODE_OF_SETTING.items()
    }
    for mode in (ProxyMode(*SEED), SniffMode(SEED)):
        defaults = alias_defaults(mode, STATIC_DEFAULTS)
        assert {name: of_page[name][0] for name in defaults} == defaults
    without = set(of_page) - {
        name for mode in (ProxyMode(*SEED), SniffMode(SEED)) for name in alias_defaults(mode, STATIC_DEFAULTS)
    }
    assert all(of_page[name][0] == "" for name in without - {"mode"})
    assert of_page["mode"][0] == ConnectionMode.SNIFF.value


def test_every_static_setting_stands_there_with_its_default() -> None:
    """The table of the node's file has exactly what the file may say."""
    assert {name: default for name, (default, _) in rows("Of the node").items()} == STATIC_DEFAULTS


@pytest.mark.parametrize("name", [*SIGNATURE_TRUST_SETTINGS, "credentials.next", "node.attr.<name>"])
def test_what_belongs_elsewhere_is_named(name: str) -> None:
    """Settings for all aliases, of the keystore and of free names are mentioned."""
    assert name in SETTINGS_PAGE


@pytest.mark.parametrize("word", WORDS)
def test_the_page_names_it(word: str) -> None:
    """Every setting, action, state, phase, header and limit stands on the page."""
    assert word in PAGE
