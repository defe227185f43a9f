"""Whether the chain behind a signature leads to an authority that this cluster trusts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

_LONGEST_PATH: Final = 4


def chain_problem(
    chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate], now_milliseconds: int
) -> str | None:
    """Answer why this chain (leaf first) is not to be trusted now, None where it is.

    A leaf that is itself among the authorities is trusted while it is valid. Otherwise the path, the
    dates, the constraints of every authority in between and the strength of keys and signatures are checked.
    """
    leaf = chain[0]
    now = datetime.fromtimestamp(now_milliseconds / 1000, UTC)
    dates = _dates_problem(leaf, now)
    if dates is not None:
        return dates
    usage = _usage_problem(leaf)
    if usage is not None:
        return usage
    if any(leaf == authority for authority in authorities):
        return None
    if not authorities:
        return "no authority is trusted for signatures"
    builder = (
        PolicyBuilder()
        .store(Store(list(authorities)))
        .time(now.replace(tzinfo=None))
        .max_chain_depth(_LONGEST_PATH)
        .extension_policies(ca_policy=_AUTHORITY_POLICY, ee_policy=ExtensionPolicy.permit_all())
    )
    try:
        builder.build_client_verifier().verify(leaf, list(chain[1:]))
    except VerificationError as error:
        return f"no valid path to a trusted authority was found ({str(error)[:300]})"
    except Exception as error:  # noqa: BLE001 - a stranger's certificates: the library documents no closed set
        return f"the chain cannot be checked ({type(error).__name__})"
    return None


def _dates_problem(certificate: x509.Certificate, now: datetime) -> str | None:
    if now < certificate.not_valid_before_utc:
        return f"the certificate is not valid before [{certificate.not_valid_before_utc.isoformat()}]"
    if now > certificate.not_valid_after_utc:
        return f"the certificate expired on [{certificate.not_valid_after_utc.isoformat()}]"
    return None


def _usage_problem(leaf: x509.Certificate) -> str | None:
    """Refuse a certificate that says of itself that it does not sign."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    except Exception as error:  # noqa: BLE001 - a stranger's certificate
        return f"the certificate's extensions cannot be read ({type(error).__name__})"
    return None if usage.digital_signature else "the certificate is not for digital signatures"


def _require_authority(_policy: Policy, _certificate: x509.Certificate, value: x509.BasicConstraints) -> None:
    if not value.ca:
        raise ValueError("an issuer in the chain is not an authority")


def _require_signs_certificates(
    _policy: Policy, _certificate: x509.Certificate, value: x509.KeyUsage | None
) -> None:
    if value is not None and not value.key_cert_sign:
        raise ValueError("an issuer in the chain may not sign certificates")


_AUTHORITY_POLICY: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _require_authority)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _require_signs_certificates)
)
