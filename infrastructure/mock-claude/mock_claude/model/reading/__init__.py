"""A small grammar of task wordings, read top down.

``quotes`` makes a text ready, ``clauses`` cuts it, ``courtesies`` trims each clause. Then each
clause is offered to ``recall`` and ``saving`` (notes), ``forecasts`` with ``spots`` (weather),
``arithmetic`` with ``symbols`` and ``numbers``, and ``questions`` with ``topics`` and ``subjects``
(searches); ``references`` knows what points at results. ``tasks`` puts it together.
"""
