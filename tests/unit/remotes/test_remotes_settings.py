"""The settings of remote clusters: what is taken, what is refused and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.errors import Failure, FailureKind
from isthmus.names import ClusterAlias
from isthmus.remotes.address import Destination, HostAndPort, is_host_name, parse_host_and_port
from isthmus.remotes.cluster_settings import ClusterSettings
from isthmus.remotes.connection_modes import ProxyMode, SniffMode
from isthmus.remotes.flat_settings import flat_json, flatten, nest, updated
from isthmus.remotes.platform_modes import ProxyModeOnly
from isthmus.remotes.setting_defaults import defaults_of
from isthmus.remotes.setting_values import Compression, CompressionScheme, read_interval_seconds
from isthmus.remotes.settings import credentials_name, remotes_of
from isthmus.remotes.static_settings import parse_static_settings

EU = "cluster.remote.eu."
PROXY = {f"{EU}mode": "proxy", f"{EU}proxy_address": "far:9443"}


def after(
    persistent: Any = None, transient: Any = None, start: ClusterSettings | None = None
) -> ClusterSettings:
    """Apply an update in the form of a request's body."""
    before = start or ClusterSettings()
    return before.after(flatten(persistent, "persistent"), flatten(transient, "transient"))


@pytest.mark.parametrize(
    "body",
    [
        {"cluster": {"remote": {"eu": {"mode": "proxy", "proxy_address": "far:9443"}}}},
        {"cluster.remote.eu.mode": "proxy", "cluster.remote.eu.proxy_address": "far:9443"},
        {"cluster.remote.eu": {"mode": "PROXY", "proxy_address": "far:9443"}},
        {"cluster": {"remote.eu.mode": "proxy", "remote": {"eu.proxy_address": "far:9443"}}},
    ],
)
def test_nested_and_flat_forms_mean_the_same(body: Any) -> None:
    """Every mixture of nested objects and dotted keys gives the same remote."""
    remote = remotes_of(after(body).effective)["eu"]  # type: ignore[index]
    assert remote.destination == Destination("eu", HostAndPort("far", 9443), "far")
    assert (remote.skip_unavailable, remote.mode.maximum_connections) == (True, 18)


def test_every_setting_is_read() -> None:
    """All settings of an alias in proxy mode reach the remote's settings."""
    remote = remotes_of(
        after(
            {
                **PROXY,
                f"{EU}server_name": "Far.Example.org",
                f"{EU}proxy_socket_connections": 4,
                f"{EU}skip_unavailable": False,
                f"{EU}transport.compress": "true",
                f"{EU}transport.compression_scheme": "deflate",
                f"{EU}transport.ping_schedule": "2s",
            }
        ).effective
    )["eu"]  # type: ignore[index]
    assert remote.mode == ProxyMode(HostAndPort("far", 9443), "far.example.org", 4)
    assert remote.skip_unavailable is False
    assert remote.compression is Compression.ALL
    assert remote.compression_scheme is CompressionScheme.DEFLATE
    assert remote.ping_interval_seconds == 2.0


SEEDS = {f"{EU}seeds": ["a.far:9443", "[2001:db8::1]:9443"]}


def test_sniff_is_the_default_mode() -> None:
    """Seeds alone enable an alias; every setting of the mode is read."""
    seeds = (HostAndPort("a.far", 9443), HostAndPort("2001:db8::1", 9443))
    assert remotes_of(after(SEEDS).effective)["eu"].mode == SniffMode(seeds, 3)  # type: ignore[index]
    whole = {**SEEDS, f"{EU}mode": "sniff", f"{EU}node_connections": 5, f"{EU}proxy": "p:1"}
    mode = remotes_of(after(whole).effective)["eu"].mode  # type: ignore[index]
    assert mode == SniffMode(seeds, 5, HostAndPort("p", 1))
    assert mode.destination(ClusterAlias("eu")) == Destination("eu", HostAndPort("p", 1), "a.far")
    assert mode.maximum_connections == 30


@pytest.mark.parametrize("seeds", [[], "", [""]])
def test_without_seeds_there_is_no_remote(seeds: Any) -> None:
    """An empty list of seeds is as good as none."""
    assert remotes_of(after({f"{EU}seeds": seeds}).effective) == {}


def test_what_the_node_has_from_its_file_is_what_silent_aliases_have() -> None:
    """The static settings are the defaults of each alias and of each mode."""
    static = parse_static_settings(
        """
        [cluster.remote]
        initial_connect_timeout = "5s"
        connections_per_cluster = 2
        node.attr = "gateway"
        [transport]
        compress = true
        compression_scheme = "zstd"
        ping_schedule = "7s"
        [node.attr]
        gateway = true
        "rack" = "a1"
        """
    )
    assert static.attributes == {"gateway": "true", "rack": "a1"}
    remote = remotes_of(after(SEEDS).effective, static)["eu"]  # type: ignore[index]
    assert (remote.initial_connect_timeout_seconds, remote.ping_interval_seconds) == (5.0, 7.0)
    assert (remote.compression, remote.compression_scheme) == (Compression.ALL, CompressionScheme.ZSTANDARD)
    assert isinstance(remote.mode, SniffMode)
    assert (remote.mode.node_connections, remote.mode.node_attribute) == (2, "gateway")
    defaults = defaults_of(after(SEEDS).effective, static)
    assert defaults["transport.compress"] == defaults[f"{EU}transport.compress"] == "true"
    assert (defaults[f"{EU}node_connections"], defaults["node.attr.rack"]) == ("2", "a1")
    assert f"{EU}proxy_socket_connections" not in defaults


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no toml", "not TOML"),
        ("cluster.name = 'x'", "unknown setting [cluster.name]"),
        ("cluster.remote.eu.mode = 'proxy'", "unknown setting [cluster.remote.eu.mode]"),
        ("cluster.remote.initial_connect_timeout = '-1'", "must be > 0"),
        ("cluster.remote.initial_connect_timeout = '5'", "unit is missing"),
        ("cluster.remote.connections_per_cluster = 0", "must be >= 1"),
        ("cluster.remote.node.attr = 'a b'", "must be the name of a node attribute"),
        ("transport.compress = 'gzip'", "as only [true], [indexing_data] or [false]"),
        ("transport.compression_scheme = 'gzip'", "as only [lz4], [deflate] or [zstd]"),
        ("transport.ping_schedule = 'x'", "unit is missing"),
        ("node.attr.'a b' = 1", "must end in letters"),
        ("node.attr.a = [1]", "must be a text"),
    ],
)
def test_what_the_file_cannot_say_is_refused_by_name(text: str, expected: str) -> None:
    """An unknown or bad setting of the file is named; none is passed over."""
    with pytest.raises(Failure) as caught:
        parse_static_settings(text)
    assert expected in caught.value.reason


@pytest.mark.parametrize("features", [("zstd",), ("lz4", "zstd"), ("deflate",), (), ("other",)])
def test_the_scheme_is_one_that_the_peer_has(features: tuple[str, ...]) -> None:
    """The scheme of the settings where the peer has it, else another, else none."""
    chosen = {scheme: scheme.among(features) for scheme in CompressionScheme}
    for scheme, name in chosen.items():
        assert name == scheme.value if scheme.value in features else name in (*features, None)
        assert (name is None) == (not {"zstd", "lz4", "deflate"} & {*features})


def test_a_platform_with_mode_proxy_only_says_so() -> None:
    """Where sniffing is not to be had it is refused with the settings to use instead."""
    observer = ProxyModeOnly()
    observer.check(after(PROXY).effective)
    with pytest.raises(Failure) as caught:
        observer.check(after(SEEDS).effective)
    assert f"[{EU}mode] [sniff] is not supported on this platform: use mode [proxy]" in caught.value.reason
    assert caught.value.kind is FailureKind.INVALID_REQUEST


REFUSED = [
    ({"cluster.unknown": "x"}, "persistent setting [cluster.unknown], not recognized"),
    ({"cluster.unknown": None}, "persistent setting [cluster.unknown], not recognized"),
    ({f"{EU}proxy_adress": "far:1"}, f"persistent setting [{EU}proxy_adress], not recognized"),
    (
        {"cluster.remote.initial_connect_timeout": "10s"},
        "persistent setting [cluster.remote.initial_connect_timeout], not dynamically updateable",
    ),
    (
        {f"{EU}proxy_address": "far:9443"},
        f'Setting "{EU}proxy_address" cannot be used with the configured "{EU}mode" {{}}'.format(
            "[required=PROXY, configured=SNIFF]"
        ),
    ),
    (
        {f"{EU}mode": "proxy", f"{EU}seeds": ["far:9300"], f"{EU}proxy_address": "far:9443"},
        f'Setting "{EU}seeds" cannot be used with the configured "{EU}mode" {{}}'.format(
            "[required=SNIFF, configured=PROXY]"
        ),
    ),
    (
        {f"{EU}skip_unavailable": True},
        f"Cannot configure setting [{EU}skip_unavailable] if remote cluster is not enabled.",
    ),
    (
        {f"{EU}transport.compress": True, f"{EU}mode": "proxy"},
        f"Cannot configure setting [{EU}transport.compress] if remote cluster is not enabled.",
    ),
    (
        {f"{EU}seeds": ["far:9300"], f"{EU}server_name": "far"},
        f'Setting "{EU}server_name" cannot be used with the configured "{EU}mode" {{}}'.format(
            "[required=PROXY, configured=SNIFF]"
        ),
    ),
    (
        {**PROXY, f"{EU}node_connections": 2},
        f'Setting "{EU}node_connections" cannot be used with the configured "{EU}mode" {{}}'.format(
            "[required=SNIFF, configured=PROXY]"
        ),
    ),
    (
        {f"{EU}seeds": ["far:9300", "far"]},
        "remote hosts need to be configured as [host:port], found [far] instead",
    ),
    (
        {f"{EU}seeds": ["far:1"], f"{EU}node_connections": 0},
        f"Failed to parse value [0] for setting [{EU}node_connections] must be >= 1",
    ),
    ({f"{EU}seeds": ["far:1"], f"{EU}proxy": "p"}, "need to be configured as [host:port], found [p]"),
    ({"cluster.remote.node.attr": "x"}, "[cluster.remote.node.attr], not dynamically updateable"),
    ({"node.attr.x": "y"}, "[node.attr.x], not dynamically updateable"),
    ({"transport.compress": True}, "[transport.compress], not dynamically updateable"),
    ({"transport.ping_schedule": "1s"}, "[transport.ping_schedule], not dynamically updateable"),
    (
        {f"{EU}mode": "direct"},
        f"Failed to parse value [direct] for setting [{EU}mode] as only [sniff] or [proxy] are allowed",
    ),
    (
        {**PROXY, f"{EU}proxy_address": "far"},
        "remote hosts need to be configured as [host:port], found [far] instead",
    ),
    ({**PROXY, f"{EU}proxy_address": "far:x"}, "failed to parse port"),
    ({**PROXY, f"{EU}proxy_address": "far:0"}, "port number must be > 0 but was: [0]"),
    ({**PROXY, f"{EU}proxy_address": "far:-5"}, "port number must be > 0 but was: [-5]"),
    ({**PROXY, f"{EU}proxy_address": "a b:1"}, "unknown host [a b]"),
    (
        {**PROXY, f"{EU}proxy_address": ["far:1"]},
        f"Failed to parse value [far:1] for setting [{EU}proxy_address]",
    ),
    (
        {**PROXY, f"{EU}proxy_socket_connections": 0},
        f"Failed to parse value [0] for setting [{EU}proxy_socket_connections] must be >= 1",
    ),
    (
        {**PROXY, f"{EU}proxy_socket_connections": "many"},
        f"Failed to parse value [many] for setting [{EU}proxy_socket_connections]",
    ),
    (
        {**PROXY, f"{EU}skip_unavailable": "yes"},
        "Failed to parse value [yes] as only [true] or [false] are allowed.",
    ),
    ({**PROXY, f"{EU}server_name": "far:9443"}, "must be a valid hostname, without a port"),
    ({**PROXY, f"{EU}transport.ping_schedule": "5"}, "unit is missing or unrecognized"),
    ({**PROXY, f"{EU}transport.compress": "maybe"}, "as only [true], [indexing_data] or [false] are allowed"),
    ({**PROXY, f"{EU}transport.compression_scheme": "zip"}, "as only [lz4], [deflate] or [zstd] are allowed"),
    ({f"{EU}credentials": "c2VjcmV0"}, "it is a secure setting that belongs into the keystore"),
    (
        {**PROXY, f"{EU}signing.certificate": "x"},
        f"setting [{EU}signing.certificate] needs [{EU}signing.key]",
    ),
    ({f"{EU}signing.key": "../x"}, "must be the name of a file below the deployment's folder [signing]"),
    ({f"{EU}signing.keystore.path": "x"}, "not supported: give PEM files"),
    ({"cluster.remote.signing.truststore.path": "x"}, "not supported: give PEM files"),
    ({"cluster.remote.signing.mode": "proxy"}, "[cluster.remote.signing.mode], not recognized"),
    ({"cluster.remote.signing.diagnose.trust": "x"}, "as only [true] or [false] are allowed"),
    ({f"{EU}credentials.next": "c2VjcmV0"}, "it is a secure setting that belongs into the keystore"),
    ({"cluster.remote..mode": "proxy"}, "remote clusters must not have the empty string as its key"),
    ({"cluster.remote.a b.mode": "proxy"}, "Invalid cluster alias [a b]"),
    ({f"{EU}mode": {"proxy": [{}]}}, "may hold strings, numbers and booleans only"),
    ([], "[persistent] must be an object of settings"),
    ({"cluster": {"remote.eu.mode": "proxy", "remote": {"eu": {"mode": "sniff"}}}}, "is given twice"),
]


@pytest.mark.parametrize(("body", "expected"), REFUSED, ids=[text[:60] for _, text in REFUSED])
def test_what_cannot_be_set_is_refused_in_elasticsearchs_words(body: Any, expected: str) -> None:
    """A bad setting is a 400 illegal_argument_exception that names it, and never shows a secret."""
    with pytest.raises(Failure) as caught:
        after(body)
    assert expected in caught.value.reason
    assert caught.value.kind is FailureKind.INVALID_REQUEST
    assert caught.value.error_type == "illegal_argument_exception"
    assert "c2VjcmV0" not in caught.value.reason


def test_a_transient_setting_is_named_as_such() -> None:
    """The message says which section the unknown setting was in."""
    with pytest.raises(Failure, match=r"transient setting \[x\], not recognized"):
        after(None, {"x": 1})


def test_transient_wins_over_persistent() -> None:
    """What counts is the transient value where both are set."""
    merged = after({**PROXY, f"{EU}skip_unavailable": True}, {f"{EU}skip_unavailable": False})
    assert remotes_of(merged.effective)["eu"].skip_unavailable is False  # type: ignore[index]


@pytest.mark.parametrize(
    "deletion",
    [
        dict.fromkeys((*PROXY, f"{EU}skip_unavailable")),
        {"cluster": {"remote": {"eu": None}}},
        {"cluster.remote.eu": None},
        {"cluster.remote": None},
        {"cluster.remote.eu.*": None},
        {"cluster.remote.*": None},
    ],
)
def test_null_deletes_a_setting_or_a_whole_subtree(deletion: Any) -> None:
    """Each key null, the alias null and wildcards all remove the alias and nothing of its neighbours."""
    us = {key.replace(".eu.", ".us."): value for key, value in PROXY.items()}
    start = after({**PROXY, f"{EU}skip_unavailable": False, **us, "cluster.metadata.owner": "ops"})
    end = after(deletion, None, start)
    assert "eu" not in remotes_of(end.effective)
    assert end.persistent["cluster.metadata.owner"] == "ops"
    kept = "us" in remotes_of(end.effective)
    assert kept == ("eu" in str(deletion))


def test_deleting_only_the_address_while_others_stay_is_refused() -> None:
    """An alias that would lose its address but keep skip_unavailable is refused as a whole."""
    start = after({**PROXY, f"{EU}skip_unavailable": False})
    with pytest.raises(Failure, match="Cannot configure setting"):
        after({f"{EU}proxy_address": None}, None, start)


def test_a_subtree_can_be_replaced_in_one_request() -> None:
    """Null for the alias and new values for it in one update: the new values are what is left."""
    start = after({**PROXY, f"{EU}server_name": "old"})
    end = after({"cluster.remote.eu": None, **PROXY}, None, start)
    assert dict(end.persistent) == PROXY


def test_defaults_leave_out_what_is_set() -> None:
    """include_defaults shows the defaults of an alias, but not for keys that have a value."""
    defaults = defaults_of({**PROXY, f"{EU}skip_unavailable": "false"})
    assert defaults[f"{EU}proxy_socket_connections"] == "18"
    assert f"{EU}skip_unavailable" not in defaults
    assert defaults["cluster.remote.initial_connect_timeout"] == "30s"


def test_settings_of_a_later_version_are_passed_over() -> None:
    """A stored setting that this version does not know does not take the alias down."""
    assert "eu" in remotes_of({**PROXY, f"{EU}new_thing": "x"})


def test_changing_what_connections_depend_on_is_told_from_the_rest() -> None:
    """Connections stay as long as they lead where the settings want them."""
    base = remotes_of(PROXY)["eu"]  # type: ignore[index]
    lenient = remotes_of({**PROXY, f"{EU}skip_unavailable": "false"})["eu"]  # type: ignore[index]
    moved = remotes_of({**PROXY, f"{EU}server_name": "other"})["eu"]  # type: ignore[index]
    assert lenient.connects_like(base)
    assert not moved.connects_like(base)
    more = {f"{EU}proxy_socket_connections": "3", f"{EU}transport.compress": "true"}
    assert remotes_of({**PROXY, **more})["eu"].connects_like(base)  # type: ignore[index]
    sniffed = remotes_of({f"{EU}seeds": ("far:9443",)})["eu"]  # type: ignore[index]
    assert not sniffed.connects_like(base)
    assert not base.connects_like(sniffed)
    fewer = remotes_of({f"{EU}seeds": ("far:9443",), f"{EU}node_connections": "1"})["eu"]  # type: ignore[index]
    assert not fewer.connects_like(sniffed)


def test_the_keystore_entry_is_named_after_the_alias() -> None:
    """The secure setting has Elasticsearch's name."""
    assert credentials_name("eu") == "cluster.remote.eu.credentials"


@pytest.mark.parametrize(
    ("text", "host", "port", "shown"),
    [
        ("far.example.org:9443", "far.example.org", 9443, "far.example.org:9443"),
        ("192.0.2.1:1", "192.0.2.1", 1, "192.0.2.1:1"),
        ("[2001:db8::1]:9443", "2001:db8::1", 9443, "[2001:db8::1]:9443"),
        ("::1:9400", "::1", 9400, "[::1]:9400"),
        ("cluster_1:65535", "cluster_1", 65535, "cluster_1:65535"),
    ],
)
def test_addresses_are_read_and_shown(text: str, host: str, port: int, shown: str) -> None:
    """Names, IPv4 and IPv6 with and without brackets."""
    address = parse_host_and_port(text)
    assert (address.host, address.port, str(address)) == (host, port, shown)
    assert parse_host_and_port(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":1",
        "a:",
        "[::1]",
        "[::1:1",
        "[x]:1",
        "a:b:1",
        "a:70000",
        "a: 1",
        "a:+1",
        "-a:1",
        "a..b:1",
        "é:1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Nothing that could not be connected to becomes an address."""
    with pytest.raises(Failure):
        parse_host_and_port(text)


@given(st.text(max_size=40))
@settings(max_examples=200)
def test_any_text_is_an_address_or_a_failure(text: str) -> None:
    """No text makes the parser raise anything but a failure, and what it takes is usable."""
    try:
        address = parse_host_and_port(text)
    except Failure:
        return
    assert is_host_name(address.host) or ":" in address.host
    assert 0 < address.port < 65536


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("-1", None), ("0", None), ("0s", None), ("5s", 5.0), ("500ms", 0.5), ("1.5m", 90.0), ("1d", 86400.0)],
)
def test_times_are_read(text: str, seconds: float | None) -> None:
    """Elasticsearch's units; -1 and 0 switch a schedule off."""
    assert read_interval_seconds("k", text) == seconds


KEYS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(".".join)


@given(st.dictionaries(KEYS, st.text(max_size=5), max_size=6))
@settings(max_examples=100)
def test_nesting_and_flattening_lose_nothing(flat: dict[str, str]) -> None:
    """Whatever is stored can be answered nested and read back the same, prefixes of others included."""
    assert flatten(nest(flat), "persistent") == flat
    assert flat_json(flat) == dict(sorted(flat.items()))


@given(st.dictionaries(KEYS, st.text(max_size=3), max_size=6), st.dictionaries(KEYS, st.none(), max_size=3))
@settings(max_examples=100)
def test_deleting_removes_exactly_the_key_and_what_is_below(
    flat: dict[str, str], deletion: dict[str, None]
) -> None:
    """Deletion against the obvious second way to compute it."""
    left = updated(flat, deletion)
    expected = {
        key: value
        for key, value in flat.items()
        if not any(f"{key}.".startswith(f"{gone}.") for gone in deletion)
    }
    assert left == expected


def test_deep_nesting_is_refused_and_not_followed() -> None:
    """A body nested without end is a 400."""
    body: Any = "x"
    for _ in range(100):
        body = {"a": body}
    with pytest.raises(Failure, match="nested deeper"):
        flatten(body, "persistent")
