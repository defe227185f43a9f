"""Summaries of many values that combine over clusters: exact while there are few, then within a bound.

What they are made with (Apache DataSketches) is loaded when there are many values and not before:
it takes 19 MB of memory and a third of a second.
"""
