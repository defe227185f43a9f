"""The failures of the platform, with the codes that Elastic Cloud's clients know."""

from __future__ import annotations

from isthmus.errors import Failure, FailureKind


def deployment_not_found(deployment_id: str) -> Failure:
    """Answer the failure for a deployment that does not exist (404)."""
    return Failure(
        FailureKind.NOT_FOUND,
        "deployments.deployment_not_found",
        f"no deployment has the id [{deployment_id[:64]}]",
    )


def resource_not_found(deployment_id: str, ref_id: str, kind: str = "elasticsearch") -> Failure:
    """Answer the failure for a resource that a deployment does not have (404)."""
    return Failure(
        FailureKind.NOT_FOUND,
        "deployments.deployment_resource_not_found",
        f"deployment [{deployment_id}] has no {kind[:64]} resource [{ref_id[:64]}]",
    )


def invalid_field(field: str, reason: str, code: str = "root.invalid_data") -> Failure:
    """Answer the failure for one member of a body that cannot be used (400); ``field`` is its path."""
    return Failure(
        FailureKind.INVALID_REQUEST, code, f"{field}: {reason}", metadata={"fields": [f"body.{field}"]}
    )


def unauthenticated(reason: str) -> Failure:
    """Answer the failure of a caller without valid credentials (401)."""
    return Failure(FailureKind.UNAUTHENTICATED, "root.unauthenticated", reason)


def template_not_found(template_id: str) -> Failure:
    """Answer the failure for a deployment template that does not exist (404)."""
    return Failure(
        FailureKind.NOT_FOUND,
        "templates.template_not_found",
        f"no deployment template has the id [{template_id[:64]}]",
    )


def node_unavailable(deployment_id: str) -> Failure:
    """Answer the failure for a deployment whose node does not answer the platform (503)."""
    return Failure(
        FailureKind.UNAVAILABLE,
        "deployments.node_unavailable",
        f"deployment [{deployment_id}] does not answer: it is stopped, or about to start",
    )
