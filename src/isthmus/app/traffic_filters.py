"""Traffic filtering put together: the use cases, and the book that door and nodes follow."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.clock import Clock
from isthmus.control.addresses import AddressSet
from isthmus.control.layout import EnvironmentLayout
from isthmus.control.records import DeploymentRecords
from isthmus.control.traffic_filters import TrafficFilters
from isthmus.control.traffic_filters_book import FilterBook
from isthmus.door.client_address import LoadBalancers
from isthmus.door.filtering import Admission, BlockedRecord, NoBlockedRecord
from isthmus.settings import EnvironmentSettings
from isthmus.store.database import Database
from isthmus.store.traffic_filter_records import SqlTrafficFilterRecords


@dataclass(frozen=True, slots=True)
class TrafficFiltering:
    """The rule sets of an environment. ``book`` is to be refreshed before anybody is served."""

    use_cases: TrafficFilters
    book: FilterBook

    def admission(self, settings: EnvironmentSettings, record: BlockedRecord | None = None) -> Admission:
        """Answer whom the door lets in, and who is told whom it does not."""
        balancers = LoadBalancers(
            proxy_protocol=AddressSet.parse(settings.door.proxy_protocol_from),
            forwarded_for=AddressSet.parse(settings.door.forwarded_for_from),
        )
        return Admission(self.book, balancers, record or NoBlockedRecord())


def build_traffic_filtering(
    settings: EnvironmentSettings, database: Database, deployments: DeploymentRecords, clock: Clock
) -> TrafficFiltering:
    """Put it together over the environment's database."""
    records = SqlTrafficFilterRecords(database)
    book = FilterBook(EnvironmentLayout(settings.directory), records, deployments)
    return TrafficFiltering(TrafficFilters(records, deployments, book, clock), book)
