"""Why a remote cluster cannot be used: one finding a step, each with its remedy.

``observe`` looks, over connections of its own; everything else is a function of what was seen.
"""
