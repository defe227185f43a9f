"""The account and its trust over the platform API."""

from __future__ import annotations

from isthmus.control.account import Account, parse_account
from isthmus.rest.cloud.routes import CloudCall, CloudRouter
from isthmus.rest.http import Response, json_response


def register(router: CloudRouter, account: Account) -> None:
    """Serve ``/account``. Its id is what trust between deployments of the environment refers to."""

    async def told() -> Response:
        return json_response({"id": account.id, "trust": {"trust_all": await account.trust_all()}})

    async def get(_call: CloudCall) -> Response:
        """Show the account: its id, and whether new deployments trust all others."""
        return await told()

    async def change(call: CloudCall) -> Response:
        """Change whether new deployments trust all others of the account."""
        await account.change(trust_all=parse_account(call.request.json()))
        return await told()

    router.add("GET", "/account", get, ())
    router.add("PUT PATCH", "/account", change, ())
