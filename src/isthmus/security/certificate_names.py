"""The names that a node's certificate holds for the certificate model. Pure, and strict.

A node is named by an otherName of type commonName (OID 2.5.4.3) among the alternative names of its own
certificate. Nothing else is a name: neither the subject's common name nor a DNS name, and
nothing that a certificate further up the chain holds. A certificate with a name that cannot be read, or
that holds characters which no node has, is refused as a whole: whoever makes such a
certificate wants two readers to see two names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from cryptography import x509

#: commonName, as an otherName's type
COMMON_NAME_OID: Final = "2.5.4.3"
_NODE_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
_PLATFORM_NAME: Final = re.compile(r"([^.]+)\.node\.([^.]+)\.cluster\.([^.]+)\.account")
# Tags of the ASN.1 strings that such a name is written as: UTF8String, PrintableString, IA5String.
_STRING_TAGS: Final = frozenset({0x0C, 0x13, 0x16})
_LONG_LENGTH_OF_ONE_BYTE: Final = 0x81
_FIRST_LONG_LENGTH: Final = 0x80
_MAXIMUM_NAMES: Final = 32


class UnreadableCertificateError(ValueError):
    """The certificate, or a name in it, is not what it should be. The text says what, for a log."""


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """What a leaf certificate says: its subject (RFC 4514, for messages only) and its node names."""

    subject: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NodeNameParts:
    """A name of the form that the platforms give, taken apart."""

    node_id: str
    cluster_id: str
    scope_id: str


def read_certificate_names(der: bytes) -> CertificateNames:
    """Answer the names of a leaf certificate; raises :class:`UnreadableCertificateError`."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        subject = certificate.subject.rfc4514_string()
        names = _other_names(certificate)
    except UnreadableCertificateError:
        raise
    except Exception as error:  # the library documents ValueError and raises others for some junk
        raise UnreadableCertificateError(
            f"the certificate cannot be read ({type(error).__name__})"
        ) from error
    if len(names) > _MAXIMUM_NAMES:
        raise UnreadableCertificateError(f"the certificate holds more than {_MAXIMUM_NAMES} node names")
    return CertificateNames(subject, tuple(_read_string(value) for value in names))


def is_node_name(name: str) -> bool:
    """Tell whether a node may be called so: ASCII letters, digits, dots, dashes and underscores."""
    return _NODE_NAME.fullmatch(name) is not None


def node_name_parts_or_none(name: str) -> NodeNameParts | None:
    """Take ``<node>.node.<cluster>.cluster.<scope>.account`` apart; None for any other name."""
    match = _PLATFORM_NAME.fullmatch(name)
    return None if match is None else NodeNameParts(*match.groups())


def _other_names(certificate: x509.Certificate) -> list[bytes]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    others = extension.value.get_values_for_type(x509.OtherName)
    return [other.value for other in others if other.type_id.dotted_string == COMMON_NAME_OID]


def _read_string(value: bytes) -> str:
    """Read one DER string that fills its place exactly."""
    content = _content_or_none(value)
    if content is None:
        raise UnreadableCertificateError("a node name in the certificate is not a DER string")
    try:
        name = content.decode("ascii")
    except UnicodeDecodeError:
        raise UnreadableCertificateError("a node name in the certificate is not ASCII") from None
    if not is_node_name(name):
        raise UnreadableCertificateError("a node name in the certificate holds characters that no node has")
    return name


def _content_or_none(value: bytes) -> bytes | None:
    if len(value) < 2 or value[0] not in _STRING_TAGS:  # noqa: PLR2004 - tag and length
        return None
    if value[1] < _FIRST_LONG_LENGTH:
        length, start = value[1], 2
    elif value[1] == _LONG_LENGTH_OF_ONE_BYTE and len(value) > 2 and value[2] >= _FIRST_LONG_LENGTH:  # noqa: PLR2004
        length, start = value[2], 3
    else:  # longer than any name, or a length that is not written in the one way that DER allows
        return None
    return value[start:] if len(value) == start + length else None
