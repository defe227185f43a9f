"""Aggregations that are computed out of the answers of others, after those of all clusters were combined.

:func:`parse_pipeline` reads one, :func:`ordered` puts siblings into the order in which they can be
computed, :func:`problems` says what is wrong with them, :func:`apply_pipelines` computes them.
"""

from __future__ import annotations

from isthmus.search.aggregations.pipelines.apply import apply_pipelines, has_pipelines
from isthmus.search.aggregations.pipelines.dependencies import ordered
from isthmus.search.aggregations.pipelines.parse import PIPELINES, parse_pipeline
from isthmus.search.aggregations.pipelines.validation import problems

__all__ = ["PIPELINES", "apply_pipelines", "has_pipelines", "ordered", "parse_pipeline", "problems"]
