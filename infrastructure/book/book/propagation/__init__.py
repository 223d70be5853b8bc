"""``book propagate``: an edit of an early step flows down the chain.

``run`` is the command; ``flow`` plans everything in memory; ``carry`` takes one edit to one step by
``merge``; ``meeting`` says whether a file may be touched; ``committed`` and ``unfinished`` are what
HEAD and an interrupted run left behind; ``declared`` advises on steps.toml.
"""
