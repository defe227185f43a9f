"""Whose connection or request it is, where load balancers stand in between. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from isthmus.control.addresses import Address, AddressSet, parse_address_or_none


@dataclass(frozen=True, slots=True)
class LoadBalancers:
    """Whose word about clients' addresses counts.

    Connections from ``proxy_protocol`` must begin with a PROXY protocol header (9243 and 9443).
    Requests over connections whose client is one of ``forwarded_for`` may name theirs in
    ``X-Forwarded-For`` (9243). Nobody's word counts unless listed.
    """

    proxy_protocol: AddressSet = field(default_factory=AddressSet)
    forwarded_for: AddressSet = field(default_factory=AddressSet)

    def must_send_proxy_header(self, peer: Address | None) -> bool:
        """Answer whether connections from this peer begin with the header."""
        return peer is not None and peer in self.proxy_protocol

    def may_tell_clients(self, client: Address | None) -> bool:
        """Answer whether ``X-Forwarded-For`` of this connection's client is honoured."""
        return client is not None and client in self.forwarded_for

    def client_of_request(self, connection: Address | None, forwarded_for: str | None) -> Address | None:
        """Answer whose request it is; None where the header of a listed balancer is not understood.

        The last address is what the listed balancer saw; others that are listed, before it, are
        balancers too. What stands further to the left is only what the client claims.
        """
        if forwarded_for is None or not self.may_tell_clients(connection):
            return connection
        client: Address | None = connection
        for text in reversed(forwarded_for.split(",")):
            client = parse_address_or_none(text.strip())
            if client is None or client not in self.forwarded_for:
                break
        return client
