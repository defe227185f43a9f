"""Buckets between addresses, or of networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from isthmus.errors import illegal_argument
from isthmus.exchange import Json, JsonObject
from isthmus.search.addresses import address_rank
from isthmus.search.aggregations.buckets import Buckets, listed_or_keyed, read_ranges
from isthmus.search.aggregations.contract import (
    BucketBudget,
    Node,
    combine_all,
    finish_all,
)
from isthmus.search.aggregations.fields import Parameters, without_nothing
from isthmus.search.aggregations.numbers import read_count

#: addresses of version 4 stand among those of version 6 as ::ffff:a.b.c.d
_MAPPED: Final = 0xFFFF << 32
_VERSION_4_BITS: Final = 32
_BITS: Final = 128


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """One bucket: ``least`` is in it, ``most`` is not, both in their usual form. None is open."""

    least: str | None
    most: str | None
    name: str | None = None

    @property
    def key(self) -> str:
        """Answer the name given, or the one made of the limits."""
        return self.name or f"{self.least or '*'}-{self.most or '*'}"

    @property
    def rank(self) -> tuple[int, int]:
        """Answer by what buckets are ordered."""
        return (
            -1 if self.least is None else address_rank(self.least)[1],
            1 << _BITS if self.most is None else address_rank(self.most)[1],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRanges(Buckets):
    """The parameters of ``ip_range``, in the order of the limits."""

    field: str
    ranges: tuple[AddressLimits, ...]
    missing: str | None = None
    keyed: bool = False

    kind: ClassVar[str] = "ip_range"

    @classmethod
    def parse(cls, parameters: Parameters) -> AddressRanges:
        """Read the parameters."""
        field = parameters.field()
        entries = read_ranges(parameters)
        limits = [_limits(parameters, entry) for entry in entries]
        missing = parameters.text("missing")
        return cls(
            field=field,
            ranges=tuple(sorted(limits, key=lambda each: each.rank)),
            missing=None if missing is None else _address(missing),
            keyed=parameters.flag("keyed"),
        )

    def ask(self, children: Sequence[Node]) -> JsonObject:  # noqa: ARG002 - the contract's
        """Ask for the same, as a list."""
        ranges = [
            without_nothing({"key": each.key, "from": each.least, "to": each.most}) for each in self.ranges
        ]
        return {self.kind: without_nothing({"field": self.field, "ranges": ranges, "missing": self.missing})}

    def combine(self, parts: Sequence[JsonObject], children: Sequence[Node]) -> JsonObject:
        """Add up place by place: every part has the same buckets in the same order."""
        buckets = []
        for place, limits in enumerate(self.ranges):
            same = [part["buckets"][place] for part in parts]
            buckets.append(
                {
                    **address_members(limits),
                    "doc_count": sum(read_count(each["doc_count"]) for each in same),
                    **combine_all(children, same),
                }
            )
        return {"buckets": buckets}

    def finish(self, combined: JsonObject, children: Sequence[Node], budget: BucketBudget) -> JsonObject:
        """Answer a list, or an object by key."""
        budget.take(len(self.ranges))
        final = [
            {
                **address_members(limits),
                "doc_count": bucket["doc_count"],
                **finish_all(children, bucket, budget),
            }
            for limits, bucket in zip(self.ranges, combined["buckets"], strict=True)
        ]
        return listed_or_keyed(final, keyed=self.keyed)


def address_members(limits: AddressLimits) -> JsonObject:
    """Answer the members of a bucket that say its limits."""
    return without_nothing({"key": limits.key, "from": limits.least, "to": limits.most})


def _limits(parameters: Parameters, entry: Json) -> AddressLimits:
    if not isinstance(entry, dict):
        raise parameters.wrong_type("ranges", entry)
    for member, value in entry.items():
        if member not in ("key", "from", "to", "mask"):
            raise parameters.refuse("ranges", f"[range] unknown field [{member}]")
        if value is not None and not isinstance(value, str):
            raise parameters.wrong_type(member, value)
    least, most, mask = (entry.get(member) for member in ("from", "to", "mask"))
    if mask is None:
        return AddressLimits(
            None if least is None else _address(least),
            None if most is None else _address(most),
            entry.get("key"),
        )
    if least is not None or most is not None:
        raise parameters.refuse("ranges", "Either mask or from/to can be specified, but not both")
    return _network(mask, entry.get("key") or mask)


def _address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise illegal_argument(f"'{text}' is not an IP string literal.") from None
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        raise illegal_argument(f"'{text}' is not an IP string literal.")
    return _shown(address_rank(str(address))[1])


def _shown(number: int) -> str:
    if number >> _VERSION_4_BITS == _MAPPED >> _VERSION_4_BITS:
        return str(ipaddress.IPv4Address(number & ((1 << _VERSION_4_BITS) - 1)))
    return str(ipaddress.IPv6Address(number))


def _network(mask: str, name: str) -> AddressLimits:
    try:
        network = ipaddress.ip_network(mask, strict=False)
    except ValueError:
        raise illegal_argument(
            f"Expected [ip/prefix] but was [{mask}]"
            if "/" not in mask
            else f"illegal prefix length or address: [{mask}]"
        ) from None
    if "/" not in mask:
        raise illegal_argument(f"Expected [ip/prefix] but was [{mask}]")
    last = address_rank(str(network.broadcast_address))[1]
    most = None if last == (1 << _BITS) - 1 else _shown(last + 1)
    return AddressLimits(_shown(address_rank(str(network.network_address))[1]), most, name)
