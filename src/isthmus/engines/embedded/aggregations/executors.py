"""What carries out aggregations that the library has not: one function a kind, over the searches of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from tantivy import Query

from isthmus.engines.embedded.aggregations.adjacency_buckets import adjacency_buckets
from isthmus.engines.embedded.aggregations.auto_date_buckets import auto_date_buckets
from isthmus.engines.embedded.aggregations.composite_pages import composite_page
from isthmus.engines.embedded.aggregations.date_range_buckets import date_range_buckets
from isthmus.engines.embedded.aggregations.ip_range_buckets import ip_range_buckets
from isthmus.engines.embedded.aggregations.multi_terms_buckets import multi_terms_buckets
from isthmus.engines.embedded.aggregations.rare_terms_buckets import rare_terms_buckets
from isthmus.engines.embedded.aggregations.runner import Runner
from isthmus.engines.embedded.aggregations.top_documents import top_hits, top_metrics
from isthmus.engines.embedded.aggregations.values_summed_up import distinct_values, distribution, string_stats
from isthmus.engines.embedded.aggregations.weighted_averages import weighted_average
from isthmus.exchange import JsonObject
from isthmus.search.aggregations.adjacency_matrix import AdjacencyMatrix
from isthmus.search.aggregations.auto_date_histogram import AutoDateHistogram
from isthmus.search.aggregations.boxplot import Boxplot
from isthmus.search.aggregations.cardinality import Cardinality
from isthmus.search.aggregations.composite import Composite
from isthmus.search.aggregations.contract import Node
from isthmus.search.aggregations.date_ranges import DateRanges
from isthmus.search.aggregations.ip_ranges import AddressRanges
from isthmus.search.aggregations.median_absolute_deviation import MedianAbsoluteDeviation
from isthmus.search.aggregations.multi_terms import MultiTerms
from isthmus.search.aggregations.percentiles import PercentileRanks, Percentiles
from isthmus.search.aggregations.rare_terms import RareTerms
from isthmus.search.aggregations.string_stats import StringStats
from isthmus.search.aggregations.top_hits import TopHits
from isthmus.search.aggregations.top_metrics import TopMetrics
from isthmus.search.aggregations.weighted_average import WeightedAverage

#: class of an aggregation's parameters -> answers its combinable form over the documents of a query
EXECUTORS: Final[Mapping[type, Callable[[Runner, Query, Node], JsonObject]]] = MappingProxyType(
    {
        AddressRanges: ip_range_buckets,
        AdjacencyMatrix: adjacency_buckets,
        AutoDateHistogram: auto_date_buckets,
        Boxplot: distribution,
        Cardinality: distinct_values,
        Composite: composite_page,
        DateRanges: date_range_buckets,
        MedianAbsoluteDeviation: distribution,
        MultiTerms: multi_terms_buckets,
        PercentileRanks: distribution,
        Percentiles: distribution,
        RareTerms: rare_terms_buckets,
        StringStats: string_stats,
        TopHits: top_hits,
        TopMetrics: top_metrics,
        WeightedAverage: weighted_average,
    }
)
