"""Baselines, one script each, all with the same tiny protocol.

``fit(profile)`` takes what was released and nothing else; ``fit(profile, members)`` of the upper
references takes real rows too.  Either returns something with ``sample(n, seed) -> Sample``.

====================  =========  ==========================================================
independent           profile    margins only: the floor
copula                profile    Gaussian copula on every published table of two variables
ipf                   profile    maximum entropy under the published tables of a few hubs
sdv_copula, ctgan     real rows  SDV's Gaussian copula and CTGAN; an environment of their own
pysynthea             nothing    a simulator of patients from scratch: for speed only
====================  =========  ==========================================================
"""
