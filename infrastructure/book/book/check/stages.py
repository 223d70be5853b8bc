"""A rule on what CI runs: the stages that must be in ``.ci/run`` and in the workflow, always.

Prevents the check that somebody took out for an afternoon and nobody missed. A stage counts where
it really runs and its failure is one: not in a comment, not behind ``|| true``, not only at night.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from book.chain.chain import Book
from book.chain.sources import sources
from book.check.finding import Finding

RUN, WORKFLOW = ".ci/run", ".github/workflows/tests.yml"
# What must be there, by a pattern of the command and as a person would write it. One list: whoever
# changes what CI runs changes it here.
CHECK = (
    r"(?:make check|\S*book check)(?![\w-])(?!.*(?:FAST=|--fast|SHARD=|--shard))"
    r"(?!.*(?:UNJUDGED=|--unjudged[ =])(?!0?\.(?:0\d*|10*)(?!\d)|0(?![.\d])))",
    "make check",
)
DEMO = (r"(?:make chapter-\d\d|\S*book run \d\d)(?![\w-])", "make chapter-02")
SLOW = (r"(?:make test-(?:slow|exports)|\S*book test slow)(?![\w-])", "make test-slow")
TESTS = (r"(?:make test|\S*book test)(?![\w-])(?! slow)", "make test")
STAGES = {
    RUN: (DEMO, CHECK, SLOW, TESTS),
    WORKFLOW: (
        *(CHECK, DEMO, SLOW, (TESTS[0], '.venv/bin/book test "$UNIT"')),
        (r"make scoreboard(?![\w-])", "make scoreboard"),
        (r"make sdk-suite(?![\w-])", "make sdk-suite"),
        (r"pip-audit(?![\w-])(?! *==)", "pip-audit"),
        (r"[^#]*\bdetect-secrets-hook\b", "detect-secrets-hook"),
    ),
}
# What the workflow runs at least at night.
NIGHTLY = (
    (
        r"(?:make check|\S*book check)(?![\w-])(?=.*(?:EVERY=|--every)).*(?:FRESH=|--fresh)",
        "make check EVERY=1 FRESH=1",
    ),
    (r"make mutation(?![\w-])", "make mutation"),
    (r"make bench-reliability(?![\w-])", "make bench-reliability"),
)
# Else a commit draws among the kinds of slow tests.
EVERY = re.compile(r"""(?m)^ +BOOK_EVERY: ["']1["']\s*(?:#.*)?$""")
EVENTS = ("push", "pull_request", "schedule")
BEFORE = r"(?:^|[;&|(]|\b(?:then|do|else|time|nice|if|run|stage)\b)\s*(?:[A-Z_]+=\S+ +)*"
SWALLOWED = re.compile(r"\|\|\s*(?:true|:|echo\b.*|exit 0)\s*$|\|\|\s*true\b|;\s*true\s*$")
PIPE = re.compile(r"(?<!\|)\|(?!\|)")  # without pipefail only the last command's failure counts
PIPEFAIL = re.compile(r"(?m)^\s*set -\w*o pipefail\b")
PIPEFAIL_BY_SHELL = re.compile(r"(?m)^\s*shell: bash$")
SHARD = re.compile(r"(?<![\w./])(\d+)/(\d+)(?![\w./])")
JOB = re.compile(r"  ([\w-]+):\s*(?:#.*)?$")


@dataclass(frozen=True)
class Command:
    """A line that a file of CI runs; ``always`` unless its job or step is for some events only."""

    line: int
    text: str
    always: bool
    excused: bool  # its failure does not count


def stages(book: Book) -> Iterator[Finding]:
    """Every stage that must always run is run by ``.ci/run`` and by the workflow."""
    read = sources(book)
    for file, wanted in STAGES.items():
        text = read.text(file)
        if text is None:
            yield Finding(f"there is no {file}", file, "write it: it is what CI runs")
            continue
        found = list(_of_script(text) if file == RUN else _of_workflow(text))
        always = len(wanted)
        nightly = NIGHTLY if file == WORKFLOW else ()
        for place, (pattern, shown) in enumerate((*wanted, *nightly)):
            whole = re.compile(BEFORE + pattern)
            hits = list(_hits(whole, found, piped=not _fails_in_pipes(text)))
            where = f"{file}:{hits[0].line}" if hits else file
            if not hits:
                yield Finding(f"{file} does not run `{shown}`", where, f"add a stage: {shown}")
            elif place < always and not any(each.always for each in hits):
                yield Finding(
                    f"{file} runs `{shown}` only on some events or conditions",
                    where,
                    "run it in a job without if, and on a line without a condition before it",
                )
            elif all(each.excused for each in hits if each.always or place >= always):
                yield Finding(
                    f"{file} runs `{shown}`, and its failure does not count",
                    where,
                    "let its exit code fail the run",
                )
    yield from _events(read.text(WORKFLOW) or "")
    yield from _shards(read.text(WORKFLOW) or "")
    yield from _every_kind(read.text(WORKFLOW) or "")


def _hits(stage: re.Pattern[str], found: list[Command], *, piped: bool) -> Iterator[Command]:
    """The commands that are the stage; ``piped``: what is piped on fails in silence."""
    for each in found:
        if hit := stage.search(each.text):
            lost = piped and bool(PIPE.search(each.text, hit.end()))
            yield replace(each, excused=each.excused or lost)


def _fails_in_pipes(text: str) -> bool:
    return bool(PIPEFAIL.search(text) or PIPEFAIL_BY_SHELL.search(text))


def _of_script(text: str) -> Iterator[Command]:
    """Commands of a shell script: no comments, nothing between quotes, nothing that is printed."""
    if not text.startswith("#!"):
        return
    within = 0  # how many conditions and loops are around a line
    for number, line in enumerate(text.splitlines(), 1):
        code = re.sub(r"(?:^|\s)#.*", "", line)
        code = re.sub(r"\"[^\"]*\"|'[^']*'", '""', code)
        within -= len(re.findall(r"(?:^|;)\s*(?:fi|done|esac)\b", code))
        sometimes = within > 0 or _on_condition(code)
        within += len(re.findall(r"(?:^|;)\s*(?:if|for|while|until|case)\b", code))
        if not re.match(r"\s*(?:echo|printf|:)\b", code):
            excused = bool(SWALLOWED.search(code)) or _forgotten(text, number)
            yield Command(number, code.strip(), always=not sometimes, excused=excused)


def _on_condition(code: str) -> bool:
    """Whether a test stands before the commands of a line: ``[ -n "$FULL" ] && make check``."""
    return bool(re.match(r"\s*(?:\[.*\]|test\b.*|true|false|\(\(.*\)\))\s*(?:&&|\|\|)", code))


def _forgotten(text: str, number: int) -> bool:
    """Whether the exit code of a line is kept in a variable that nobody reads."""
    after = text.splitlines()[number:]
    kept = re.match(r"\s*(\w+)=\$\?", after[0]) if after else None
    return kept is not None and not re.search(rf"\$\{{?{kept[1]}\b", "\n".join(after[1:]))


def _of_workflow(text: str) -> Iterator[Command]:
    """Commands of a workflow, each with the conditions of its job and step."""
    always, excused, jobs = True, False, False
    step: list[tuple[int, str]] = []
    part = {"always": True, "excused": False}

    def ended() -> Iterator[Command]:
        for number, command in step:
            swallowed = bool(SWALLOWED.search(command))
            yield Command(
                number,
                command,
                always=always and part["always"],
                excused=excused or part["excused"] or swallowed,
            )
        step.clear()
        part.update(always=True, excused=False)

    for number, line in enumerate(text.splitlines(), 1):
        code = re.sub(r"(?:^|\s)#.*", "", line).rstrip()
        jobs = jobs or code == "jobs:"
        if jobs and JOB.fullmatch(code):
            yield from ended()
            always, excused = True, False
        elif re.match(r"\s+- ", code):
            yield from ended()
        key = re.match(r"(?P<lead>\s+(?:- )?)(?P<key>[\w-]+):\s*(?P<value>.*)", code)
        if key is None:
            if code.strip():
                step.append((number, code.strip()))
        elif key["key"] == "if":
            some = bool(re.search(r"schedule|false|workflow_dispatch", key["value"]))
            if len(key["lead"]) == 4 and not key["lead"].endswith("- "):
                always = not some
            else:
                part["always"] = False
        elif key["key"] == "continue-on-error" and "true" in key["value"]:
            if len(key["lead"]) == 4:
                excused = True
            else:
                part["excused"] = True
        elif key["key"] == "run":
            step.append((number, key["value"].lstrip("|>- ").strip()))
    yield from ended()


def _events(text: str) -> Iterator[Finding]:
    before, _, _ = text.partition("\njobs:")
    code = re.sub(r"(?m)(?:^|\s)#.*", "", before)
    for event in EVENTS if text else ():
        if not re.search(rf"\b{event}\b", code):
            yield Finding(
                f"the workflow does not run on {event}", WORKFLOW, f"add {event}: below on:"
            )


def _shards(text: str) -> Iterator[Finding]:
    """Where the workflow parts its pairs over machines, the parts are all that there are."""
    parts, lines = set(), []
    for number, line in enumerate(text.splitlines(), 1):
        if here := SHARD.findall(re.sub(r"(?:^|\s)#.*", "", line)):
            parts |= {(int(one), int(of)) for one, of in here}
            lines.append(number)
    of = max((of for _, of in parts), default=0)
    if parts != {(one, of) for one in range(1, of + 1)}:
        yield Finding(
            "the shards of the workflow leave a part of the pairs to nobody",
            f"{WORKFLOW}:{lines[0]}",
            f"list 1/{of} to {of}/{of}",
        )


def _every_kind(text: str) -> Iterator[Finding]:
    """Of kinds that slow tests draw by the commit, all run at night."""
    if text and not EVERY.search(text):
        yield Finding(
            "the slow tests that each commit draws from never all run",
            WORKFLOW,
            'give the nightly make test-slow BOOK_EVERY: "1"',
        )
