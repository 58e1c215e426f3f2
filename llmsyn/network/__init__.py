"""The staged network: from published numbers and knowledge to a joint distribution.

Read in this order: ``model`` (what a network is), ``reconcile`` (published numbers made
consistent), ``cells`` (knowledge as cells), ``layout`` (profile to nodes and targets),
``calibration`` (weights that meet the targets), ``kernel`` and ``twin`` (one draw, twice
written), ``drawing`` (chunks), ``compiling`` (all of it in ten lines, with a cache).
"""
