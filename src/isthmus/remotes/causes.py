"""Why a remote cluster cannot be used: the cases that this program tells apart.

Closed, so that a caller can switch on it and every case has its own paragraph in
``docs/troubleshooting.md``: the value is that paragraph's anchor. A case that cannot be told apart from its
neighbours by what is seen has no member.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

#: the page that explains every cause, from the root of the source tree
TROUBLESHOOTING: Final = "docs/troubleshooting.md"


class Cause(Enum):
    """One cause; grouped by the step that finds it."""

    ALIAS_NOT_CONFIGURED = "alias-not-configured"
    ALIAS_NOT_ENABLED = "alias-without-an-address"
    SETTINGS_NOT_VALID = "settings-not-valid"

    KEYSTORE_UNREADABLE = "keystore-cannot-be-read"
    NO_CREDENTIALS = "no-credentials"
    CREDENTIALS_UNDER_ANOTHER_ALIAS = "credentials-under-another-alias"
    CREDENTIALS_MALFORMED = "credentials-are-not-an-encoded-key"

    UNKNOWN_HOST = "unknown-host"

    CONNECTION_REFUSED = "connection-refused"
    CONNECTION_UNANSWERED = "no-answer-to-the-connection"
    UNREACHABLE = "address-cannot-be-reached"

    IP_FILTER = "ip-filter"
    CLOSED_DURING_TLS = "closed-during-tls"

    NOT_TLS = "no-tls-at-this-port"
    TLS_UNANSWERED = "no-answer-to-the-tls-hello"
    UNKNOWN_SERVER_NAME = "server-name-not-known-there"
    TLS_FAILED = "tls-failed"

    ISSUER_NOT_TRUSTED = "issuer-not-trusted"
    NAME_NOT_IN_CERTIFICATE = "name-not-in-the-certificate"
    CERTIFICATE_NOT_VALID_NOW = "certificate-not-valid-now"
    CERTIFICATE_EXPIRES_SOON = "certificate-expires-soon"

    NODE_NAME_NOT_TRUSTED = "node-name-not-trusted"
    NODE_NOT_TRUSTED_THERE = "node-not-trusted-by-the-remote"

    CLIENT_CERTIFICATE_WANTED = "client-certificate-wanted"
    REST_API_PORT = "port-of-the-rest-api"
    NOT_A_REMOTE_CLUSTER_SERVER = "not-a-remote-cluster-server"
    HANDSHAKE_UNANSWERED = "no-answer-to-the-handshake"
    HANDSHAKE_FAILED = "handshake-failed"
    PROTOCOL_VERSIONS = "protocol-versions-do-not-meet"
    MORE_THAN_ONE_CLUSTER = "more-than-one-cluster-behind-the-address"

    KEY_OF_ANOTHER_TYPE = "key-of-another-type"

    KEY_NOT_ACCEPTED = "key-not-accepted"
    KEY_EXPIRED = "key-expired"
    KEY_INVALIDATED = "key-invalidated"
    KEY_EXPIRES_SOON = "key-expires-soon"
    KEY_NEEDS_CERTIFICATE = "key-bound-to-a-certificate"
    SIGNATURE_NOT_ACCEPTED = "signature-not-accepted"
    CANNOT_SIGN = "request-cannot-be-signed"

    CLOCKS_DIFFER = "clocks-differ"

    NO_REMOTE_PRIVILEGES = "no-privileges-for-the-alias"
    ROLE_LACKS_INDEX = "role-does-not-reach-the-index"
    KEY_LACKS_INDEX = "key-does-not-reach-the-index"
    ROLE_LACKS_INDEX_THERE = "role-on-the-remote-does-not-reach-the-index"

    INDEX_MISSING = "index-missing"
    NO_INDEX_VISIBLE = "no-index-visible"

    VERSIONS_NOT_SUPPORTED = "versions-not-supported-together"

    SLOW_ROUND_TRIP = "slow-round-trip"
    CONNECTION_BREAKS = "connection-breaks"

    SEARCH_FAILED = "trial-search-failed"

    @property
    def documentation(self) -> str:
        """Where it is explained: page and anchor."""
        return f"{TROUBLESHOOTING}#{self.value}"
