"""A small grammar of task wordings, read top down.

``quotes`` makes a text ready, ``limits`` takes out conditions and negations, ``clauses`` cuts the
rest, ``courtesies`` trims each clause. Then each clause is offered to ``recall`` and ``saving``
(notes), ``forecasts`` with ``spots`` (weather), ``arithmetic`` with ``symbols``, ``numbers`` and
``units``, and ``questions`` with ``topics`` and ``subjects`` (searches), as far as ``scope`` lets
it; ``references`` knows what points at results. ``tasks`` puts it together, and ``resolving`` ties
what points elsewhere.
"""
