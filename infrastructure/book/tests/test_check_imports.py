"""Rules on imports, dependencies, unused modules and state: each catches its mutation."""

from __future__ import annotations

import pytest
from damaged import Copy, Damage, adds, both, caught, edits

from book.check.dependencies import undeclared, unimported
from book.check.finding import Rule
from book.check.imports import foreign, imports
from book.check.state import module_state
from book.check.unreached import unused_modules

ONE, TWO = "chapters/chapter-01-production-mindset", "chapters/chapter-02-reliability"
READY, RELY = f"{ONE}/readiness", f"{TWO}/reliability"
STEP, BOOK = f"{TWO}/with-retries", "infrastructure/book/book"
SIMULATOR = "infrastructure/mock-claude/mock_claude"


LATE = "\n\ndef late() -> object:\n    {}\n"


@pytest.mark.parametrize(
    ("rule", "damage", "where", "mend"),
    [
        # Imports run to earlier chapters, however they are written and wherever they stand.
        (imports, adds(f"{READY}/slo.py", "\nimport reliability\n"), f"{READY}/slo.py:", "earlier"),
        (
            imports,
            adds(
                f"{READY}/slo.py",
                LATE.format(
                    'import importlib; return importlib.import_module("reliability.events")'
                ),
            ),
            f"{READY}/slo.py:",
            "earlier",
        ),
        (
            imports,
            adds(f"{READY}/pricing.py", LATE.format('return __import__("relia" + "bility")')),
            f"{READY}/pricing.py:",
            "earlier",
        ),
        (
            imports,
            adds(
                f"{READY}/pricing.py",
                LATE.format('import importlib as i; return i.import_module(f"reliability.{1}")'),
            ),
            f"{READY}/pricing.py:",
            "earlier",
        ),
        (
            imports,
            adds(f"{READY}/pricing.py", LATE.format('exec("import reliability")')),
            f"{READY}/pricing.py:",
            "earlier",
        ),
        (
            imports,
            adds(f"{ONE}/incidents/happy_path.py", "\nfrom reliability import retry\n"),
            f"{ONE}/incidents/happy_path.py:",
            "earlier",
        ),
        (
            imports,
            adds(f"{ONE}/exercises/first.py", "import reliability.retries\n"),
            f"{ONE}/exercises/first.py:1",
            "earlier",
        ),
        (
            imports,
            adds(f"{ONE}/bench_readiness.py", "if 1:\n    from reliability.events import emit\n"),
            f"{ONE}/bench_readiness.py:2",
            "earlier",
        ),
        (
            imports,
            adds(f"{ONE}/demonstration/mindset_terminal.py", "\nimport reliability as r\n"),
            f"{ONE}/demonstration/mindset_terminal.py:",
            "earlier",
        ),
        (
            imports,
            adds("reference-agent/test_agent.py", "\nimport readiness\n"),
            "reference-agent/test_agent.py:",
            "no chapter's package",
        ),
        # Who imports what is no product.
        (
            foreign,
            adds(f"{RELY}/bounded.py", "\nfrom mock_claude.world import World\n"),
            f"{RELY}/bounded.py:",
            "tested",
        ),
        (foreign, adds(f"{READY}/slo.py", "\nimport book.chain\n"), f"{READY}/slo.py:", "tested"),
        (
            foreign,
            adds(f"{STEP}/tools.py", LATE.format("import mock_claude; return mock_claude")),
            f"{STEP}/tools.py:",
            "tested",
        ),
        (
            foreign,
            adds("reference-agent/agent.py", "\nfrom book.story import wishes\n"),
            "reference-agent/agent.py:",
            "tested",
        ),
        (
            foreign,
            adds(f"{RELY}/bounded.py", LATE.format("from config import Settings; return Settings")),
            f"{RELY}/bounded.py:",
            "pass it in",
        ),
        (
            foreign,
            adds(f"{SIMULATOR}/stage.py", "\nfrom readiness.pricing import PRICES\n"),
            f"{SIMULATOR}/stage.py:",
            "on its own",
        ),
        (
            foreign,
            adds(f"{SIMULATOR}/world/world.py", "\nimport book\n"),
            f"{SIMULATOR}/world/world.py:",
            "on its own",
        ),
        (
            foreign,
            adds(f"{BOOK}/pages/board_page.py", "\nfrom reliability import retry\n"),
            f"{BOOK}/pages/board_page.py:",
            "demonstration",
        ),
        # What is imported is declared, and the other way round.
        (undeclared, adds(f"{READY}/slo.py", "\nimport numpy\n"), f"{READY}/slo.py:", "numpy"),
        (undeclared, adds(f"{RELY}/bounded.py", "\nimport yaml\n"), f"{RELY}/", "add pyyaml to"),
        (
            undeclared,
            adds(f"{RELY}/bounded.py", "\nfrom pydantic import BaseModel\n"),
            f"{RELY}/bounded.py:",
            "[project] dependencies",
        ),
        (
            undeclared,
            adds(f"{STEP}/agent.py", LATE.format("import structlog; return structlog")),
            f"{STEP}/agent.py:",
            "add structlog",
        ),
        (
            undeclared,
            adds(f"{TWO}/tests/test_events.py", "\nimport freezegun\n"),
            f"{TWO}/tests/test_events.py:",
            "group dev",
        ),
        (
            undeclared,
            adds(f"{READY}/slo.py", "\nimport observability\n"),
            f"{READY}/slo.py:",
            "observability",
        ),
        (
            undeclared,
            edits(f"{TWO}/pyproject.toml", '    "fastapi>=0.165,<0.166",\n', ""),
            f"{TWO}/complete/service.py:",
            "add fastapi",
        ),
        (
            unimported,
            edits(f"{TWO}/pyproject.toml", '"tenacity>', '"structlog>=25",\n    "tenacity>'),
            f"{TWO}/pyproject.toml:",
            "remove it, then uv lock",
        ),
        (
            unimported,
            edits("infrastructure/book/pyproject.toml", '"httpx>', '"attrs>=25",\n    "httpx>'),
            "infrastructure/book/pyproject.toml:",
            "not-imported",
        ),
        (
            unimported,
            edits("pyproject.toml", '    "mypy>', '    "coverage>=7",\n    "mypy>'),
            "pyproject.toml:",
            "not-imported",
        ),
        (
            unimported,
            edits(
                "pyproject.toml", "[tool.book.not-imported]", '[tool.book.not-imported]\nx = "y"'
            ),
            "pyproject.toml",
            "remove it from",
        ),
        # A module that nobody imports.
        (
            unused_modules,
            adds(f"{RELY}/hedging.py", '"""A second call."""\n'),
            f"{RELY}/hedging.py",
            "remove it",
        ),
        (
            unused_modules,
            both(
                adds(f"{BOOK}/pages/one.py", "import book.pages.two\n"),
                adds(f"{BOOK}/pages/two.py", "import book.pages.one\n"),
            ),
            f"{BOOK}/pages/two.py",
            "remove it",
        ),
        (
            unused_modules,
            both(
                adds(f"{READY}/burn.py", "X = 1\n"),
                adds(f"{ONE}/tests/test_slo.py", "\nimport readiness.burn\n"),
            ),
            f"{READY}/burn.py",
            "remove it",
        ),
        (
            unused_modules,
            adds(f"{ONE}/demonstration/charts.py", "X = 1\n"),
            f"{ONE}/demonstration/charts.py",
            "remove it",
        ),
        (
            unused_modules,
            adds(f"{TWO}/tests/waiting.py", "X = 1\n"),
            f"{TWO}/tests/waiting.py",
            "remove it",
        ),
        (
            unused_modules,
            adds(f"{SIMULATOR}/world/rain.py", "X = 1\n"),
            f"{SIMULATOR}/world/rain.py",
            "remove it",
        ),
        # State of a module.
        (module_state, adds(f"{RELY}/bounded.py", "\n_seen = {}\n"), f"{RELY}/", "MappingProxy"),
        (
            module_state,
            adds(f"{RELY}/bounded.py", "\nLAST: dict[str, int] = dict()\n"),
            f"{RELY}/bounded.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(f"{RELY}/bounded.py", "\nT = {'a': 1}\n\n\ndef put() -> None:\n    T['b'] = 2\n"),
            f"{RELY}/bounded.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(
                f"{RELY}/bounded.py",
                "\nT = {k: [] for k in 'ab'}\n\n\ndef put() -> None:\n    T['a'].append(1)\n",
            ),
            f"{RELY}/bounded.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(
                f"{READY}/slo.py", "\nN = 0\n\n\ndef up() -> None:\n    global N\n    N = N + 1\n"
            ),
            f"{READY}/slo.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(f"{STEP}/agent.py", "\nSESSIONS = defaultdict(list)\n"),
            f"{STEP}/agent.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(f"{RELY}/health.py", "\n\nclass Seen:\n    names = []\n"),
            f"{RELY}/health.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(f"{RELY}/health.py", "\n\n@lru_cache(maxsize=9)\ndef of(x: int) -> int: ...\n"),
            f"{RELY}/health.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(f"{RELY}/health.py", "\nLOCK = asyncio.Lock()\n"),
            f"{RELY}/health.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(f"{RELY}/health.py", "\n\ndef of() -> None:\n    of.calls = 1\n"),
            f"{RELY}/health.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(
                f"{TWO}/complete/service.py",
                "\nfrom reliability.bulkhead import Bulkhead\n\nHALL = Bulkhead(3)\n",
            ),
            f"{TWO}/complete/service.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(
                f"{RELY}/health.py",
                "\n\nclass Told:\n    def put(self) -> None:\n        self.n = 0\n\n\nT = Told()\n",
            ),
            f"{RELY}/health.py:",
            "its owner makes",
        ),
        (
            module_state,
            adds(f"{BOOK}/stage/trial.py", "\nRUNS: list[int] = []\n"),
            f"{BOOK}/stage/trial.py:",
            "its owner makes",
        ),
    ],
)
def test_a_mutation_is_caught_with_the_file_and_the_mend(
    copy: Copy, rule: Rule, damage: Damage, where: str, mend: str
) -> None:
    caught(copy, rule, damage, where, mend)


@pytest.mark.parametrize(
    ("rule", "damage"),
    [
        # The word, in prose; a later chapter that imports an earlier one; one's own package.
        (imports, adds(f"{READY}/slo.py", '\nWHY = "reliability is a budget"\n')),
        (imports, adds(f"{RELY}/bounded.py", "\nimport readiness.slo\n")),
        (imports, adds(f"{TWO}/exercises/one.py", "import reliability\n")),
        (imports, adds(f"{READY}/slo.py", '\nTOPIC = "reliability"\n')),
        # Tests, incidents and scripts may use simulator and harness.
        (foreign, adds(f"{STEP}/test_lesson.py", "\nimport mock_claude.world\n")),
        (foreign, adds(f"{TWO}/incidents/hung_api.py", "\nimport book.story.wishes\n")),
        (foreign, adds(f"{TWO}/bench_reliability.py", "\nimport mock_claude\n")),
        (undeclared, adds(f"{READY}/slo.py", "\nimport statistics\n")),
        (undeclared, adds(f"{STEP}/agent.py", "\nimport pydantic_settings, dotenv, fastapi\n")),
        (undeclared, adds(f"{TWO}/tests/test_events.py", "\nimport jumping_time, hypothesis\n")),
        (unused_modules, adds(f"{TWO}/bench_more.py", "X = 1\n")),
        (unused_modules, adds(f"{TWO}/tests/more_test.py", "def test_x() -> None: ...\n")),
        (
            unused_modules,
            both(
                adds(f"{RELY}/hedging.py", "X = 1\n"),
                adds(f"{TWO}/complete/service.py", "\nfrom reliability.hedging import X\n"),
            ),
        ),
        (
            module_state,
            adds(
                f"{RELY}/health.py",
                "\nfrom reliability.retries import RetrySettings as R\nX = R()\n",
            ),
        ),
        # A table, a constant of a library, a field that pydantic copies, a local of the same name.
        (module_state, adds(f"{RELY}/bounded.py", "\nKINDS = {'a': 1}\nPAIR = [1, 2]\n")),
        (module_state, adds(f"{RELY}/bounded.py", "\nWORD = re.compile('x')\n")),
        (
            module_state,
            adds(f"{SIMULATOR}/stage.py", "\n\nclass M(Base):\n    n: list[int] = []\n"),
        ),
        (
            module_state,
            adds(
                f"{RELY}/bounded.py", "\nT = {'a': 1}\n\n\ndef f(T: set) -> None:\n    T.add(1)\n"
            ),
        ),
    ],
)
def test_what_is_allowed_is_not_found(copy: Copy, rule: Rule, damage: Damage) -> None:
    assert copy.found(rule, damage) == []
