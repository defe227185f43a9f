"""What this side has set up: the alias, its settings, its key. Functions of what was seen."""

from __future__ import annotations

from isthmus.doctor.findings import Verdict, error, fine, warning
from isthmus.doctor.observations import Observations
from isthmus.remotes.causes import Cause
from isthmus.remotes.settings import credentials_name


def judge_settings(seen: Observations) -> Verdict:
    """Judge whether the alias is there, and enabled."""
    settings, alias = seen.settings, seen.alias
    if settings.problem:
        return error(
            Cause.SETTINGS_NOT_VALID,
            f"the stored settings of remote clusters are not valid, so that none is connected: "
            f"{settings.problem}",
            "correct or remove the setting that the message names with PUT /_cluster/settings",
        )
    if settings.remote is not None:
        remote = settings.remote
        return fine(
            f"[{alias}] is [{remote.destination.address}], server name [{remote.destination.server_name}],"
            " skip_unavailable"
            f" [{'true' if remote.skip_unavailable else 'false'}]"
        )
    if settings.keys:
        return error(
            Cause.ALIAS_NOT_ENABLED,
            f"[{alias}] has the settings [{', '.join(settings.keys)}] and no"
            f" [cluster.remote.{alias}.proxy_address], which is what makes it a remote cluster",
            f"set [cluster.remote.{alias}.mode] to [proxy] and [cluster.remote.{alias}.proxy_address] to"
            " host:port in one request",
        )
    return error(
        Cause.ALIAS_NOT_CONFIGURED,
        f"no remote cluster [{alias}] is configured; {_listed('configured', settings.configured)}",
        f"add it with PUT /_cluster/settings: [cluster.remote.{alias}.mode] [proxy] and"
        f" [cluster.remote.{alias}.proxy_address]",
    )


def judge_keystore(seen: Observations) -> Verdict:
    """Judge whether there is a key under exactly this alias."""
    keystore, alias = seen.keystore, seen.alias
    entry = credentials_name(alias)
    if keystore.problem:
        return error(Cause.KEYSTORE_UNREADABLE, keystore.problem, "repair the keystore as the message says")
    if alias in keystore.aliases:
        if keystore.key_id is None:
            return error(
                Cause.CREDENTIALS_MALFORMED,
                f"what is stored under [{entry}] is not an encoded API key",
                "store the member [encoded] of the answer that created the key, not its id or api_key",
            )
        return fine(f"API key [{keystore.key_id}] is stored under [{entry}]", key_id=keystore.key_id)
    return _without_key(seen, entry)


def _without_key(seen: Observations, entry: str) -> Verdict:
    """Judge an alias that uses the certificate model, be it on purpose or not."""
    keystore = seen.keystore
    if seen.settings.remote is not None and seen.welcome is not None:
        return fine(f"nothing is stored under [{entry}]: both sides know each other by their certificates")
    remedy = f"store a cross-cluster API key of the remote under [{entry}] (isthmus keystore add)"
    unused = [other for other in keystore.aliases if other not in seen.settings.configured]
    if unused:
        there = ", ".join(credentials_name(other) for other in unused)
        return error(
            Cause.CREDENTIALS_UNDER_ANOTHER_ALIAS,
            f"nothing is stored under [{entry}], but there is a key under [{there}], which no remote cluster"
            " uses",
            f"{remedy}, or rename the alias: key and settings must name the very same one",
        )
    found = f"nothing is stored under [{entry}]; {_listed('aliases with a key', keystore.aliases)}"
    if seen.trouble is None or seen.trouble.cause is Cause.NO_CREDENTIALS:
        return error(Cause.NO_CREDENTIALS, found, remedy)
    return warning(
        Cause.NO_CREDENTIALS,
        f"{found}: so the certificate model is used, on the transport port",
        f"if a key was meant: {remedy}",
    )


def _listed(what: str, names: tuple[str, ...]) -> str:
    return f"{what}: [{', '.join(names)}]" if names else f"{what}: none"
