"""The one door through which anything leaves: guard, cache, rate, transport, ledger.

::

    PublicRequest ──guard──> Outgoing ──cache?──> rate ──> ledger ──> transport ──> reply
     (requests)             (requests)  (cache)  (rate)   (ledger)   (transport)

:mod:`llmsyn.egress.door` walks that line; :mod:`llmsyn.egress.values` holds the only types
that a request may be made of.  Nothing here is imported unless a command asks for a service.
"""
