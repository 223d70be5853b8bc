"""The rules of ``book check`` that only read, in the order in which their findings are shown."""

from __future__ import annotations

from book.check.finding import Rule
from book.check.hidden import hidden
from book.check.imports import imports
from book.check.inventory import inventory
from book.check.steps import completeness, drift, size_of_lessons
from book.check.tests import tests
from book.check.texts import checklists, commands, generated, links, model_ids, picture
from book.check.verdicts import settings

READING: tuple[Rule, ...] = (
    drift,
    size_of_lessons,
    completeness,
    imports,
    hidden,
    inventory,
    links,
    model_ids,
    generated,
    checklists,
    picture,
    commands,
    tests,
    settings,
)
