"""From a request's ``aggs`` to checked aggregations, with Elasticsearch's words for what is wrong."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from isthmus.errors import Failure, FailureKind, illegal_argument, parsing_failure, validation_failure
from isthmus.exchange import Json, JsonObject
from isthmus.search.aggregations.adjacency_matrix import AdjacencyMatrix
from isthmus.search.aggregations.auto_date_histogram import AutoDateHistogram
from isthmus.search.aggregations.boxplot import Boxplot
from isthmus.search.aggregations.cardinality import Cardinality
from isthmus.search.aggregations.composite import Composite
from isthmus.search.aggregations.contract import Aggregation, Level, Node, PipelineNode
from isthmus.search.aggregations.date_histogram import DateHistogram
from isthmus.search.aggregations.date_ranges import DateRanges
from isthmus.search.aggregations.extended_stats import ExtendedStats
from isthmus.search.aggregations.fields import Parameters, suggestion, token_name
from isthmus.search.aggregations.filters import Filters, SingleBucket, check_query
from isthmus.search.aggregations.histogram import Histogram
from isthmus.search.aggregations.ip_ranges import AddressRanges
from isthmus.search.aggregations.median_absolute_deviation import MedianAbsoluteDeviation
from isthmus.search.aggregations.metrics import Average, SingleMetric, Stats, ValueCount
from isthmus.search.aggregations.multi_terms import MultiTerms
from isthmus.search.aggregations.order import BucketOrder
from isthmus.search.aggregations.percentiles import PercentileRanks, Percentiles
from isthmus.search.aggregations.pipelines import PIPELINES, has_pipelines, ordered, parse_pipeline, problems
from isthmus.search.aggregations.ranges import Ranges
from isthmus.search.aggregations.rare_terms import RareTerms
from isthmus.search.aggregations.string_stats import StringStats
from isthmus.search.aggregations.terms import Terms
from isthmus.search.aggregations.top_hits import TopHits
from isthmus.search.aggregations.top_metrics import TopMetrics
from isthmus.search.aggregations.weighted_average import WeightedAverage

#: As deep as queries may be: what is nested deeper is no question that somebody has.
_MAXIMUM_DEPTH: Final = 30

_VALID_NAME: Final = re.compile(r"[^\[\]>]+")
_SUB_AGGREGATIONS: Final = ("aggs", "aggregations")

#: Every aggregation that can be combined, and what reads its parameters.
REGISTRY: Final[Mapping[str, Callable[[Parameters], Aggregation]]] = MappingProxyType(
    {
        "adjacency_matrix": AdjacencyMatrix.parse,
        "auto_date_histogram": AutoDateHistogram.parse,
        "avg": Average.parse,
        "boxplot": Boxplot.parse,
        "cardinality": Cardinality.parse,
        "composite": Composite.parse,
        "date_histogram": DateHistogram.parse,
        "date_range": DateRanges.parse,
        "extended_stats": ExtendedStats.parse,
        "filters": Filters.parse,
        "global": SingleBucket.parse_global,
        "histogram": Histogram.parse,
        "ip_range": AddressRanges.parse,
        "max": SingleMetric.parse,
        "median_absolute_deviation": MedianAbsoluteDeviation.parse,
        "min": SingleMetric.parse,
        "missing": SingleBucket.parse_missing,
        "percentile_ranks": PercentileRanks.parse,
        "percentiles": Percentiles.parse,
        "multi_terms": MultiTerms.parse,
        "range": Ranges.parse,
        "rare_terms": RareTerms.parse,
        "stats": Stats.parse,
        "string_stats": StringStats.parse,
        "sum": SingleMetric.parse,
        "terms": Terms.parse,
        "top_hits": TopHits.parse,
        "top_metrics": TopMetrics.parse,
        "value_count": ValueCount.parse,
        "weighted_avg": WeightedAverage.parse,
    }
)
#: The body of this one is a query and not parameters.
_FILTER: Final = "filter"

METRICS: Final = frozenset(
    {
        "avg",
        "boxplot",
        "cardinality",
        "extended_stats",
        "max",
        "median_absolute_deviation",
        "min",
        "percentile_ranks",
        "percentiles",
        "stats",
        "string_stats",
        "sum",
        "top_hits",
        "top_metrics",
        "value_count",
        "weighted_avg",
    }
)

#: Aggregations of Elasticsearch that exist and cannot be combined (yet): refused by name.
_UNSUPPORTED: Final = frozenset(
    {
        "bucket_correlation",
        "bucket_count_ks_test",
        "categorize_text",
        "change_point",
        "children",
        "cumulative_cardinality",
        "diversified_sampler",
        "frequent_item_sets",
        "geo_bounds",
        "geo_centroid",
        "geo_distance",
        "geo_line",
        "geohash_grid",
        "geohex_grid",
        "geotile_grid",
        "inference",
        "ip_prefix",
        "matrix_stats",
        "moving_fn",
        "moving_percentiles",
        "nested",
        "parent",
        "random_sampler",
        "rate",
        "reverse_nested",
        "sampler",
        "scripted_metric",
        "significant_terms",
        "significant_text",
        "t_test",
        "time_series",
        "variable_width_histogram",
    }
)

#: Aggregations that cannot be inside of others, and what is said of one that is.
_ONLY_AT_THE_TOP: Final[Mapping[str, str]] = MappingProxyType(
    {
        "global": "Aggregation [{parent}] cannot have a global sub-aggregation [{name}]. Global aggregations "
        "can only be defined as top level aggregations",
        "composite": "[composite] aggregation cannot be used with a parent aggregation of type: [{parent}]",
    }
)

#: Members of a bucket, beside which its sub-aggregations stand.
_TAKEN_NAMES: Final = frozenset({"key", "key_as_string", "doc_count", "doc_count_error_upper_bound"})
_RANGES: Final = frozenset({"range", "date_range", "ip_range"})
_TAKEN_NAMES_OF_RANGES: Final = frozenset({"from", "from_as_string", "to", "to_as_string"})


def parse_level(raw: Json) -> Level:
    """Read the aggregations of a request. Raises a failure that names what is wrong or not supported."""
    level = _parse_siblings(raw, 1, None)
    if not has_pipelines(level):
        return level
    found = list(_problems(level, None))
    if found:
        raise validation_failure(*found)
    return _in_order(level)


def _parse_siblings(raw: Json, depth: int, parent: str | None) -> Level:
    """Read sibling aggregations. ``parent`` is the name of the aggregation that they are in."""
    if not isinstance(raw, dict):
        raise parsing_failure(
            f"Unexpected token {token_name(raw)} in [aggs]: aggregations definitions must start with the "
            "name of the aggregation."
        )
    if depth > _MAXIMUM_DEPTH:
        raise illegal_argument(
            f"The nested depth of the aggregations exceeds the maximum of [{_MAXIMUM_DEPTH}] at [{parent}]"
        )
    parsed = [_parse_one(name, body, depth, parent) for name, body in raw.items()]
    return Level(
        tuple(each for each in parsed if isinstance(each, Node)),
        tuple(each for each in parsed if isinstance(each, PipelineNode)),
    )


def _problems(level: Level, parent: Node | None) -> Iterator[str]:
    """Answer what is wrong with the pipelines of a level and below it."""
    if level.pipelines:
        yield from problems(level.nodes, level.pipelines, parent, METRICS)
    for node in level.nodes:
        yield from _problems(node.level, node)


def _in_order(level: Level) -> Level:
    """Answer a level whose pipelines stand in the order in which they are computed, and those below too."""
    nodes = tuple(
        dataclasses.replace(node, children=below.nodes, pipelines=below.pipelines)
        if node.children or node.pipelines
        else node
        for node, below in ((node, _in_order(node.level)) for node in level.nodes)
    )
    return Level(nodes, ordered(nodes, level.pipelines) if level.pipelines else ())


def _parse_one(name: str, body: Json, depth: int, parent: str | None) -> Node | PipelineNode:
    _check_name(name, parent)
    if not isinstance(body, dict):
        raise parsing_failure(
            f"Aggregation definition for [{name} starts with a [{token_name(body)}], "
            "expected a [START_OBJECT]."
        )
    kind, parameters, sub_aggregations, meta = _members(name, body)
    if kind in PIPELINES:
        if sub_aggregations is not None:
            raise parsing_failure(f"Aggregation [{name}] cannot define sub-aggregations")
        return PipelineNode(name, parse_pipeline(name, kind, parameters), meta)
    if kind in _ONLY_AT_THE_TOP and parent is not None:
        raise parsing_failure(_ONLY_AT_THE_TOP[kind].format(parent=parent, name=name))
    aggregation = _parse_aggregation(name, kind, parameters)
    below = Level(())
    if sub_aggregations is not None:
        if kind in METRICS and sub_aggregations:
            raise Failure(
                FailureKind.INVALID_REQUEST,
                "aggregation_initialization_exception",
                f"Aggregator [{name}] of type [{kind}] cannot accept sub-aggregations",
            )
        below = _parse_siblings(sub_aggregations, depth + 1, name)
        if kind in _RANGES:
            for name_below in sub_aggregations.keys() & _TAKEN_NAMES_OF_RANGES:
                raise _taken(name_below)
    order = getattr(aggregation, "order", None)
    if isinstance(order, BucketOrder):
        order.check(below.nodes)
    return Node(name, aggregation, below.nodes, meta, below.pipelines)


def _check_name(name: str, parent: str | None) -> None:
    if _VALID_NAME.fullmatch(name) is None:
        raise parsing_failure(
            f"Invalid aggregation name [{name}]. Aggregation names can contain any character except '[', "
            "']', and '>'"
        )
    if parent is not None and name in _TAKEN_NAMES:
        raise _taken(name)


def _taken(name: str) -> Failure:
    return illegal_argument(f"Invalid aggregation name [{name}]: a bucket has a member of that name already")


def _members(name: str, body: JsonObject) -> tuple[str, JsonObject, Json, JsonObject | None]:
    """Take a definition apart into its type, that type's parameters, sub-aggregations and meta."""
    kinds: list[str] = []
    sub_aggregations: Json = None
    meta: JsonObject | None = None
    for member, value in body.items():
        if member in _SUB_AGGREGATIONS:
            if sub_aggregations is not None:
                raise parsing_failure(f"Found two sub aggregation definitions under [{name}]")
            _expect_object(name, member, value)
            sub_aggregations = value
        elif member == "meta":
            _expect_object(name, member, value)
            meta = value
        else:
            kinds.append(member)
            _expect_object(name, member, value)
    if not kinds:
        raise parsing_failure(f"Missing definition for aggregation [{name}]")
    if len(kinds) > 1:
        raise parsing_failure(
            f"Found two aggregation type definitions in [{name}]: [{kinds[0]}] and [{kinds[1]}]"
        )
    return kinds[0], body[kinds[0]], sub_aggregations, meta


def _expect_object(name: str, member: str, value: Json) -> None:
    if not isinstance(value, dict):
        raise parsing_failure(
            f"Expected [START_OBJECT] under [{member}], but got a [{token_name(value)}] in [{name}]"
        )


def _parse_aggregation(name: str, kind: str, body: JsonObject) -> Aggregation:
    if kind == _FILTER:
        check_query(name, body)
        return SingleBucket(_FILTER, query=body)
    if kind in _UNSUPPORTED:
        raise illegal_argument(f"aggregation type [{kind}] in [{name}] is not supported")
    reader = REGISTRY.get(kind)
    if reader is None:
        known = [*REGISTRY, _FILTER, *PIPELINES, *_UNSUPPORTED]
        raise parsing_failure(f"Unknown aggregation type [{kind}]{suggestion(kind, known)}")
    parameters = Parameters(name, kind, body)
    aggregation = reader(parameters)
    parameters.finish()
    return aggregation
