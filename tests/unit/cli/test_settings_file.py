"""What a person wrote, turned into settings or into a text that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.settings import DoorSettings, EnvironmentKind, EnvironmentSettings, Ports
from isthmus.settings_file import SettingsError, load_settings, parse_settings, render_settings

DIRECTORY = Path("/somewhere")
HOSTED = EnvironmentSettings(
    directory=DIRECTORY,
    kind=EnvironmentKind.HOSTED,
    domain="hosted.localhost",
    scope_id="1234567890",
    account_id="a" * 32,
)
ENTERPRISE = EnvironmentSettings(
    directory=DIRECTORY,
    kind=EnvironmentKind.ENTERPRISE,
    domain="enterprise.localhost",
    scope_id="1234567890",
    host="::1",
    ports=Ports(platform=0, data=0, transport=0, remote_cluster=0),
    door=DoorSettings(proxy_protocol_from=("10.0.0.0/8", "2001:db8::1"), forwarded_for_from=("192.0.2.1",)),
    egress_addresses=("203.0.113.7",),
)
TEXT = render_settings(HOSTED)


@pytest.mark.parametrize("settings", [HOSTED, ENTERPRISE])
def test_a_new_file_reads_back(settings: EnvironmentSettings) -> None:
    """What `init` writes is what `serve` runs on."""
    assert parse_settings(render_settings(settings), DIRECTORY, {}) == settings


def test_what_is_not_written_has_its_default() -> None:
    """Host and ports may be absent."""
    text = f'version = 1\nkind = "enterprise"\ndomain = "X.Example"\n[identity]\nscope_id = "{"1" * 10}"\n'
    settings = parse_settings(text, DIRECTORY, {})
    assert (settings.domain, settings.host, settings.ports) == ("x.example", "127.0.0.1", Ports())


def test_variables_stand_above_the_file() -> None:
    """Each by the name of its key; the variables of other programs do not matter."""
    variables = {
        "ISTHMUS_PORTS_DATA": "1",
        "ISTHMUS_PORTS_REMOTE_CLUSTER": "0",
        "ISTHMUS_HOST": "::",
        "ISTHMUS_DOMAIN": "b.test",
        "PATH": "/bin",
        "ISTHMUS_SOMETHING_ELSE": "x",
    }
    settings = parse_settings(TEXT, DIRECTORY, variables)
    assert (settings.ports.data, settings.ports.remote_cluster, settings.ports.transport) == (1, 0, 9400)
    assert (settings.host, settings.domain) == ("::", "b.test")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[ports]", "[port]", r"unknown key \[port.platform\]; did you mean \[ports.platform\]\?"),
        ("data = 9243", "dta = 9243", r"unknown key \[ports.dta\]; did you mean \[ports.data\]\?"),
        ('domain = "hosted.localhost"', 'domian = "x.y"', r"did you mean \[domain\]\?"),
        ("version = 1", 'version = 1\nscope_id = "1"', r"did you mean \[identity.scope_id\]\?"),
        ("version = 1", "version = 1\ncolour = 3", r"unknown key \[colour\]$"),
        ("version = 1", "version = 2", "version must be 1"),
        ("version = 1", "version = true", "version must be 1"),
        ("version = 1\n", "", "version must be 1"),
        ("version = 1", "version = ", "not TOML"),
        ('kind = "hosted"', 'kind = "hostd"', r"not \[hostd\]; did you mean \[hosted\]\?"),
        ('kind = "hosted"', "kind = 5", r"\[kind\] must be a text"),
        ('kind = "hosted"\n', "", r"key \[kind\] is missing"),
        ('kind = "hosted"', 'kind = "enterprise"', r"has no \[identity.account_id\]"),
        (f'account_id = "{"a" * 32}"\n', "", r"needs \[identity.account_id\]"),
        (f'account_id = "{"a" * 32}"', 'account_id = "xyz"', "32 hexadecimal digits"),
        ('scope_id = "1234567890"', 'scope_id = "123"', "ten digits"),
        ('host = "127.0.0.1"', 'host = "localhost"', "not an IP address"),
        ('domain = "hosted.localhost"', 'domain = "ho sted"', "not a DNS name"),
        ('domain = "hosted.localhost"', 'domain = "1.2.3.4"', "not a DNS name"),
        ('domain = "hosted.localhost"', 'domain = "-a.b"', "not a DNS name"),
        ("data = 9243", "data = 70000", r"\[ports.data\] must be a number from 0 to 65535"),
        ("data = 9243", "data = true", r"\[ports.data\] must be a number"),
        ("data = 9243", 'data = "9243"', r"\[ports.data\] must be a number"),
        ("data = 9243", "data = 9443", r"\[ports.data\] and \[ports.remote_cluster\] are both 9443"),
        ("[ports]", "ports = 5\n[x]", "unknown key"),
        ("proxy_protocol_from = []", "proxy_protocol = []", r"did you mean \[door.proxy_protocol_from\]\?"),
        ("proxy_protocol_from = []", 'proxy_protocol_from = "10.0.0.1"', "must be a list of texts"),
        ("proxy_protocol_from = []", "proxy_protocol_from = [1]", "must be a list of texts"),
        ("proxy_protocol_from = []", 'proxy_protocol_from = ["lb.test"]', "DNS names are not supported"),
        ("forwarded_for_from = []", 'forwarded_for_from = ["10.1.0.0/8"]', r"did you mean \[10.0.0.0/8\]\?"),
        ("addresses = []", 'addresses = ["everywhere"]', r"\[egress.addresses\] \[everywhere\] is not"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(before: str, after: str, message: str) -> None:
    """Typing errors, wrong values, contradictions."""
    assert before in TEXT
    with pytest.raises(SettingsError, match=message):
        parse_settings(TEXT.replace(before, after, 1), DIRECTORY, {})


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("ISTHMUS_PORTS_DATA", "many", "ISTHMUS_PORTS_DATA .many. is not a number"),
        ("ISTHMUS_PORTS_DATA", "-1", "must be a number from 0"),
        ("ISTHMUS_PORT_DATA", "1", r"did you mean \[ISTHMUS_PORTS_DATA\]\?"),
        ("ISTHMUS_PORTS_X", "1", "unknown environment variable"),
        ("ISTHMUS_DOMIAN", "x.y", r"did you mean \[ISTHMUS_DOMAIN\]\?"),
        ("ISTHMUS_KIND", "hosted", "cannot override"),
        ("ISTHMUS_IDENTITY_SCOPE_ID", "1", "cannot override"),
    ],
)
def test_a_mistaken_variable_is_told(variable: str, value: str, message: str) -> None:
    """It would else be as if it had not been set."""
    with pytest.raises(SettingsError, match=message):
        parse_settings(TEXT, DIRECTORY, {variable: value})


def test_a_directory_that_is_no_environment_is_told(tmp_path: Path) -> None:
    """And how to make one; a file that is no text, too."""
    with pytest.raises(SettingsError, match="isthmus init"):
        load_settings(tmp_path, {})
    (tmp_path / "isthmus.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="cannot read"):
        load_settings(tmp_path, {})
    (tmp_path / "isthmus.toml").write_text(TEXT.replace("version = 1", "version = 9"))
    with pytest.raises(SettingsError, match=r"isthmus\.toml: version must be 1"):
        load_settings(tmp_path, {})
