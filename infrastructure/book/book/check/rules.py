"""The rules of ``book check`` that only read, in the order in which their findings are shown."""

from __future__ import annotations

from book.check.chapters import chapters
from book.check.container import container
from book.check.counts import counts
from book.check.dependencies import undeclared, unimported
from book.check.docstrings import docstrings
from book.check.editions import editions
from book.check.extras import extras
from book.check.figures import measured_figures
from book.check.finding import Rule
from book.check.hidden import hidden
from book.check.imports import foreign, imports
from book.check.inventory import inventory
from book.check.leaks import secrets
from book.check.links import links
from book.check.models import model_ids
from book.check.modes import modes, typed
from book.check.names import commands, named
from book.check.picture import picture
from book.check.proofs import proofs
from book.check.readmes import notes, readme_sections
from book.check.sentences import sentences
from book.check.stages import stages
from book.check.state import module_state
from book.check.steps import completeness, drift, size_of_lessons
from book.check.targets import unnamed_targets
from book.check.tests import tests
from book.check.texts import checklists, generated
from book.check.told import told_figures
from book.check.unreached import unused_modules
from book.check.verdicts import settings

READING: tuple[Rule, ...] = (
    drift,
    size_of_lessons,
    completeness,
    modes,
    inventory,
    chapters,
    # code
    imports,
    foreign,
    hidden,
    undeclared,
    unimported,
    unused_modules,
    extras,
    module_state,
    typed,
    # texts
    generated,
    checklists,
    readme_sections,
    notes,
    links,
    commands,
    unnamed_targets,
    named,
    sentences,
    counts,
    measured_figures,
    told_figures,
    docstrings,
    model_ids,
    picture,
    editions,
    container,
    # tests and incidents
    tests,
    settings,
    # the rest
    proofs,
    secrets,
    stages,
)
