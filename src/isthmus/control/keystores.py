"""A deployment's secure settings. Values go in; only names come out."""

from __future__ import annotations

from collections.abc import Mapping

from isthmus.control.layout import DeploymentLayout
from isthmus.security.keystore import Keystore
from isthmus.security.secret import Secret


def create_keystore(layout: DeploymentLayout, settings: Mapping[str, Secret | None]) -> None:
    """Make the keystore and its key (both 0600) with these settings in it."""
    keystore = Keystore.create(layout.keystore, layout.keystore_key)
    if settings:
        keystore.change(settings)


def keystore_names(layout: DeploymentLayout) -> tuple[str, ...]:
    """Answer the names in the keystore, sorted."""
    return Keystore(layout.keystore, layout.keystore_key).names()


def change_keystore(layout: DeploymentLayout, changes: Mapping[str, Secret | None]) -> tuple[str, ...]:
    """Set and (None) remove settings in one step; answer the names there are then.

    Raises a 400 failure for a name or value that cannot be. The node notices by itself.
    """
    keystore = Keystore(layout.keystore, layout.keystore_key)
    keystore.change(changes)
    return keystore.names()
