"""An edit of an early step arrives in every later one, or a person is asked; nothing is lost."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_repository import LINES, STEPS, Small, agent

from book.chain.chain import ChainError

REFERENCE, FIRST, SECOND, COMPLETE, FOURTH, FIFTH = STEPS


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return Small.make(tmp_path_factory.mktemp("template") / "book")


@pytest.fixture
def small(template: Small, tmp_path: Path) -> Small:
    return template.copied(tmp_path / "book")


def test_a_fix_in_the_first_step_arrives_in_all_by_one_command(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, mended")
    ok, shown = small.carry()
    assert ok
    for number, step in enumerate(STEPS):
        assert small.text(step) == agent(number).replace("line 2\n", "line 2, mended\n")
    assert small.changed() == sorted(f"M {step}/agent.py" for step in STEPS)
    assert small.verified == [list(STEPS)]
    assert "5 files in 5 later steps" in shown
    assert not small.state.exists()


def test_an_edit_of_a_middle_step_leaves_the_earlier_ones_alone(small: Small) -> None:
    small.edit(COMPLETE, "line 40", "the end")
    assert small.carry()[0]
    assert small.changed() == [f"M {step}/agent.py" for step in (COMPLETE, FIFTH, FOURTH)]
    assert small.verified == [[COMPLETE, FOURTH, FIFTH]]


def test_edits_of_several_steps_flow_together(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, mended")
    small.edit(SECOND, "setting 5", "setting five", "config.py")
    assert small.carry()[0]
    assert all("line 2, mended\n" in small.text(step) for step in STEPS)
    changed = [step for step in STEPS if "setting five" in small.text(step, "config.py")]
    assert changed == [SECOND, COMPLETE, FOURTH, FIFTH]


def test_a_start_leaves_earlier_edits_where_they_are(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, not ready")
    small.edit(COMPLETE, "line 40", "the end")
    assert small.carry("complete")[0]
    assert small.text(FIRST) == agent(1)
    assert "the end" in small.text(FIFTH)
    assert "not ready" not in small.text(FIFTH)


def test_a_steps_own_files_are_never_carried(small: Small) -> None:
    for name in ("README.md", "test_lesson.py", "pyproject.toml"):
        small.write(REFERENCE, name, "edited\n")
    ok, shown = small.carry()
    assert ok
    assert "Nothing to carry" in shown
    assert len(small.changed()) == 3
    assert small.verified == []


def test_nothing_to_carry_is_said(small: Small) -> None:
    for start in (None, "chapter-02/first", "chapter-03/fifth"):
        ok, shown = small.carry(start)
        assert ok
        assert "Nothing to carry" in shown
    assert small.verified == []
    assert small.changed() == []


def test_what_is_carried_already_is_not_carried_again(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, mended")
    small.carry()
    before = small.everything()
    ok, shown = small.carry()
    assert ok
    assert "have it already" in shown
    assert small.everything() == before


def test_a_later_steps_committed_edit_survives(small: Small) -> None:
    small.edit(SECOND, "line 30", "line 30, for a reason")
    small.commit()
    small.edit(REFERENCE, "line 2", "line 2, mended")
    assert small.carry()[0]
    expected = agent(2).replace("line 30\n", "line 30, for a reason\n")
    assert small.text(SECOND) == expected.replace("line 2\n", "line 2, mended\n")


def test_git_alone_undoes_everything(small: Small) -> None:
    before = {k: v for k, v in small.everything().items() if not k.startswith(".git/")}
    small.edit(REFERENCE, "line 2", "line 2, mended")
    small.rename(REFERENCE, "tools.py", "toolbox.py")
    assert small.carry()[0]
    small.git("restore", ".")
    small.git("clean", "-fdq")
    after = {k: v for k, v in small.everything().items() if not k.startswith(".git/")}
    assert after == before


# Renames, deletions, new files


def test_a_rename_is_carried_with_each_steps_own_edits(small: Small) -> None:
    small.rename(REFERENCE, "tools.py", "toolbox.py")
    small.edit(REFERENCE, "tool 9", "tool nine", "toolbox.py")
    ok, shown = small.carry()
    assert ok
    for step in STEPS:
        assert not small.has(step, "tools.py")
        assert "tool nine\n" in small.text(step, "toolbox.py")
    assert small.text(FIRST, "toolbox.py").startswith("tools\n")
    assert small.text(FIFTH, "toolbox.py").startswith("tools of second\n")
    assert "renamed from tools.py, merged" in shown
    toml = "adjust chapters/chapter-02-trials/steps.toml:13: second changes"
    assert f"{toml} tools.py no more" in shown
    assert f"{toml} toolbox.py now" in shown


def test_a_rename_that_conflicts_in_one_step_stops_there_and_resumes(small: Small) -> None:
    small.rename(REFERENCE, "tools.py", "toolbox.py")
    small.edit(REFERENCE, "tools", "tools, renamed", "toolbox.py")
    ok, shown = small.carry()
    assert not ok
    assert f"Stopped at {SECOND}" in shown
    assert "chapters/chapter-02-trials/second/toolbox.py:1: " in shown
    assert "then run book propagate again" in shown
    assert small.text(SECOND, "toolbox.py").startswith(
        f"<<<<<<< {SECOND}\ntools of second\n=======\ntools, renamed\n>>>>>>> {FIRST}\ntool 2\n"
    )
    assert small.changed() == sorted(
        [
            *(f"D {step}/tools.py" for step in (REFERENCE, FIRST, SECOND)),
            *(f"?? {step}/toolbox.py" for step in (REFERENCE, FIRST, SECOND)),
        ]
    )
    assert small.verified == []

    with pytest.raises(ChainError) as refused:
        small.carry()
    assert str(refused.value).splitlines()[1:4] == [
        f"  chapters/chapter-02-trials/second/toolbox.py:{line}" for line in (1, 3, 5)
    ]
    assert "complete" not in str(refused.value)

    mended = small.text(SECOND, "toolbox.py").split("tool 2\n")[1]
    small.write(SECOND, "toolbox.py", "tools of second, renamed\ntool 2\n" + mended)
    ok, shown = small.carry()
    assert ok
    assert "mended by hand" in shown
    for step in (SECOND, COMPLETE, FOURTH, FIFTH):
        assert small.text(step, "toolbox.py").startswith("tools of second, renamed\ntool 2\n")
        assert not small.has(step, "tools.py")
    assert small.verified == [list(STEPS)]
    assert not small.state.exists()


def test_a_rename_keeps_its_identity_behind_a_heavily_mended_step(small: Small) -> None:
    small.edit(FIFTH, "tool 3", "tool 3 of fifth", "tools.py")
    small.commit()
    small.rename(REFERENCE, "tools.py", "toolbox.py")
    small.edit(REFERENCE, "tools", "tools, renamed", "toolbox.py")
    small.carry()
    more = "".join(f"another tool {n}\n" for n in range(100))  # too much for git's detection
    small.write(SECOND, "toolbox.py", small.text(SECOND, "tools.py", at_head=True) + more)
    assert small.carry()[0]
    assert "tool 3 of fifth\n" in small.text(FIFTH, "toolbox.py")
    assert small.text(FIFTH, "toolbox.py").endswith(more)
    assert not small.has(FIFTH, "tools.py")


def test_a_file_in_the_way_of_a_rename_is_a_conflict(small: Small) -> None:
    small.write(COMPLETE, "toolbox.py", "something else\n")
    small.commit()
    small.rename(REFERENCE, "tools.py", "toolbox.py")
    ok, shown = small.carry()
    assert not ok
    assert "complete/toolbox.py:1: in the way" in shown
    assert "something else\n" in small.text(COMPLETE, "toolbox.py")
    assert "tools of second\n" in small.text(COMPLETE, "toolbox.py")


def test_an_edit_follows_a_rename_that_a_later_step_made(small: Small) -> None:
    for step in (COMPLETE, FOURTH, FIFTH):
        small.rename(step, "tools.py", "toolbox.py")
    small.commit()
    small.edit(REFERENCE, "tool 9", "tool nine", "tools.py")
    assert small.carry()[0]
    assert "tool nine\n" in small.text(SECOND, "tools.py")
    for step in (COMPLETE, FOURTH, FIFTH):
        assert "tool nine\n" in small.text(step, "toolbox.py")
        assert not small.has(step, "tools.py")


def test_an_edit_ends_at_a_step_whose_lesson_removed_the_file(small: Small) -> None:
    for step in (COMPLETE, FOURTH, FIFTH):
        (small.folder(step) / "tools.py").unlink()
    small.commit()
    small.edit(REFERENCE, "tool 9", "tool nine", "tools.py")
    ok, shown = small.carry()
    assert ok
    assert f"not carried: {COMPLETE} has no tools.py" in shown
    assert not small.has(FIFTH, "tools.py")


def test_a_deletion_is_carried_where_the_file_is_unchanged(small: Small) -> None:
    (small.folder(REFERENCE) / "config.py").unlink()
    ok, shown = small.carry()
    assert ok
    assert not any(small.has(step, "config.py") for step in STEPS)
    assert "deleted" in shown


def test_a_deletion_of_what_a_later_step_edits_asks_a_person(small: Small) -> None:
    (small.folder(REFERENCE) / "tools.py").unlink()
    ok, shown = small.carry()
    assert not ok
    assert not small.has(FIRST, "tools.py")
    assert "second/tools.py:1: deleted in chapter-02/first" in shown
    assert "tools of second\n" in small.text(SECOND, "tools.py")
    with pytest.raises(ChainError, match=r"second/tools\.py:1"):
        small.carry()
    (small.folder(SECOND) / "tools.py").unlink()
    assert small.carry()[0]
    assert not any(small.has(step, "tools.py") for step in STEPS)


def test_a_deletion_marks_a_file_in_its_own_line_ends(small: Small) -> None:
    for step in STEPS:
        small.write(step, "crlf.txt", "one\r\ntwo" if step == REFERENCE else "one\r\n2")
    small.commit()
    (small.folder(REFERENCE) / "crlf.txt").unlink()
    assert not small.carry()[0]
    assert small.read(FIRST, "crlf.txt") == (
        b"<<<<<<< chapter-02/first\r\none\r\n2\r\n=======\r\n>>>>>>> reference-agent (deleted)\r\n"
    )


def test_a_person_may_keep_the_later_steps_version(small: Small) -> None:
    (small.folder(REFERENCE) / "tools.py").unlink()
    small.carry()
    small.git("restore", "chapters/chapter-02-trials/second/tools.py")
    assert small.carry()[0]
    assert small.text(SECOND, "tools.py").startswith("tools of second\n")
    assert small.has(FIFTH, "tools.py")
    assert not small.has(FIRST, "tools.py")


def test_a_new_file_is_added_everywhere_with_its_permissions(small: Small) -> None:
    small.write(FIRST, "data/of it/city.json", "{}\n")
    (small.folder(FIRST) / "data/of it/city.json").chmod(0o755)
    ok, shown = small.carry()
    assert ok
    assert not small.has(REFERENCE, "data")
    for step in STEPS[1:]:
        assert small.text(step, "data/of it/city.json") == "{}\n"
    if os.name != "nt":
        assert (small.folder(FIFTH) / "data/of it/city.json").stat().st_mode & 0o777 == 0o755
    assert "steps.toml:8: first changes data/of it/city.json now: add it" in shown


def test_a_new_file_that_a_later_step_has_differently_is_a_conflict(small: Small) -> None:
    small.write(COMPLETE, "service.py", "serve\n")
    small.commit()
    small.write(REFERENCE, "service.py", "")
    ok, shown = small.carry()
    assert not ok
    assert "complete/service.py:1: a different file than chapter-02/second's" in shown


def test_a_step_keeps_its_agent(small: Small) -> None:
    small.rename(REFERENCE, "agent.py", "brain.py")
    with pytest.raises(ChainError, match=r"reference-agent/agent\.py: .*git restore"):
        small.carry()


# Bytes


def test_bytes_survive(small: Small) -> None:
    text = "naïve\r\n" + "".join(f"{n}\r\n" for n in range(20)) + "no end: ü"
    for step in STEPS:
        own = text.replace("\r\n5\r\n", "\r\nfünf\r\n") if step in (SECOND, FIFTH) else text
        small.write(step, "a b.txt", own)
    small.commit()
    small.write(REFERENCE, "a b.txt", text.replace("naïve", "naïvité"))
    assert small.carry()[0]
    for step in STEPS:
        own = text.replace("\r\n5\r\n", "\r\nfünf\r\n") if step in (SECOND, FIFTH) else text
        assert small.read(step, "a b.txt") == own.replace("naïve", "naïvité").encode()


def test_markers_end_their_lines_as_the_file_does(small: Small) -> None:
    for step in STEPS:
        small.write(step, "crlf.txt", "one\r\ntwo\r\n" if step == REFERENCE else "one\r\n2\r\n")
    small.commit()
    small.write(REFERENCE, "crlf.txt", "one\r\nzwei\r\n")
    assert not small.carry()[0]
    lines = small.read(FIRST, "crlf.txt").splitlines(keepends=True)
    assert len(lines) == 6
    assert all(line.endswith(b"\r\n") for line in lines)
    with pytest.raises(ChainError, match=r"crlf\.txt:2\n.*:4\n.*:6\n"):
        small.carry()


def test_line_ends_that_git_converts_are_no_edits(small: Small) -> None:
    small.git("config", "core.autocrlf", "true")
    for step in STEPS:  # as git would check them out on Windows
        small.write(step, "config.py", small.read(step, "config.py").replace(b"\n", b"\r\n"))
    assert "Nothing to carry" in small.carry()[1]
    small.edit(REFERENCE, "setting 5\r", "setting five\r", "config.py")
    assert small.carry()[0]
    assert b"4\r\nsetting five\r\n" in small.read(FIFTH, "config.py")


def test_a_binary_file_is_carried_where_it_is_the_same(small: Small) -> None:
    for step in STEPS:
        small.write(step, "logo.png", b"\x89PNG\0old" if step != COMPLETE else b"\x89PNG\0own")
    small.commit()
    small.write(REFERENCE, "logo.png", b"\x89PNG\0new")
    ok, shown = small.carry()
    assert not ok
    assert "complete/logo.png: binary, never merged" in shown
    assert small.read(SECOND, "logo.png") == b"\x89PNG\0new"
    assert small.read(COMPLETE, "logo.png") == b"\x89PNG\0own"
    small.write(COMPLETE, "logo.png", b"\x89PNG\0both")
    ok, _ = small.carry()
    assert not ok  # fourth has neither
    assert small.read(COMPLETE, "logo.png") == b"\x89PNG\0both"
    assert small.carry()[0]
    assert small.read(FIFTH, "logo.png") == b"\x89PNG\0old"


# Conflicts and resuming


def stop_at_second(small: Small) -> str:
    """A conflict of the reference agent's line 14 with the one that ``second`` has made its own."""
    small.edit(REFERENCE, "line 14", "line 14, mended")
    ok, shown = small.carry()
    assert not ok
    assert f"Stopped at {SECOND}" in shown
    return shown


def mend_second(small: Small) -> None:
    small.write(SECOND, "agent.py", agent(2).replace("line 14 of", "line 14, mended, of"))


def test_behind_a_mended_conflict_the_next_steps_take_what_the_person_wrote(small: Small) -> None:
    stop_at_second(small)
    assert small.text(COMPLETE) == agent(3)
    mend_second(small)
    assert small.carry()[0]
    for number, step in list(enumerate(STEPS))[2:]:
        assert small.text(step) == agent(number).replace("line 14 of", "line 14, mended, of")


def test_a_leftover_marker_in_the_middle_is_refused(small: Small) -> None:
    stop_at_second(small)
    small.write(SECOND, "agent.py", "=======\n" + agent(2))
    with pytest.raises(ChainError, match=r"second/agent\.py:1\n"):
        small.carry()


def test_two_conflicts_on_the_way_stop_twice(small: Small) -> None:
    small.edit(REFERENCE, "line 14", "line 14, mended")
    small.edit(REFERENCE, "line 22", "line 22, mended")
    assert not small.carry()[0]
    assert "line 22, mended" in small.text(SECOND)
    mended = agent(2).replace("line 22\n", "line 22, mended\n")
    small.write(SECOND, "agent.py", mended)
    ok, shown = small.carry()
    assert not ok
    assert f"Stopped at {FOURTH}" in shown
    assert small.text(COMPLETE) == agent(3).replace("line 22\n", "line 22, mended\n")
    small.write(FOURTH, "agent.py", agent(4))
    assert small.carry()[0]
    assert small.text(FIFTH) == agent(5)
    assert small.text(SECOND) == mended


def test_an_edit_that_changes_while_it_waits_is_carried_anew(small: Small) -> None:
    stop_at_second(small)
    small.edit(REFERENCE, "line 14, mended", "line 14")
    small.edit(REFERENCE, "line 2", "line 2, mended")
    assert small.carry()[0]
    for number, step in enumerate(STEPS):
        assert small.text(step) == agent(number).replace("line 2\n", "line 2, mended\n")


def test_what_a_person_mended_is_not_overwritten_by_a_changed_edit(small: Small) -> None:
    stop_at_second(small)
    mend_second(small)
    small.edit(REFERENCE, "line 2", "line 2, mended")
    before = small.everything()
    with pytest.raises(ChainError, match=r"second/agent\.py"):
        small.carry()
    assert small.everything() == before


def test_an_edit_that_is_taken_back_is_taken_back_where_it_went(small: Small) -> None:
    small.edit(REFERENCE, "setting 5", "setting five", "config.py")
    small.write(REFERENCE, "extra.py", "extra\n")
    stop_at_second(small)
    assert small.has(FIRST, "extra.py")
    small.git("restore", "reference-agent")
    small.git("clean", "-fdq", "reference-agent")
    ok, shown = small.carry()
    assert ok
    assert "taken back" in shown
    assert small.changed() == []
    assert not small.state.exists()


def test_starting_over_with_git_restore_asks_again(small: Small) -> None:
    stop_at_second(small)
    small.git("restore", "chapters")
    stopped, shown = small.carry()
    assert not stopped
    assert "second/agent.py:14" in shown


def test_a_commit_makes_an_unfinished_run_void_and_says_how_to_go_on(small: Small) -> None:
    stop_at_second(small)
    mend_second(small)
    old = small.git("rev-parse", "HEAD").strip()
    small.commit()
    ok, shown = small.carry()
    assert ok
    assert f"git reset --soft {old}, then book propagate {SECOND}" in shown
    assert not small.state.exists()
    small.git("reset", "-q", "--soft", old)
    assert small.carry(SECOND)[0]
    assert "line 14, mended, of" in small.text(FIFTH)


def test_a_start_behind_an_unfinished_run_is_refused(small: Small) -> None:
    stop_at_second(small)
    with pytest.raises(ChainError, match=f"waits at {SECOND}; {FOURTH} is behind it"):
        small.carry(FOURTH)


def test_a_chosen_start_is_remembered(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, not ready")
    small.edit(FIRST, "line 14", "line 14, mended")
    assert not small.carry(FIRST)[0]
    mend_second(small)
    assert small.carry()[0]
    assert "not ready" not in small.text(FIFTH)


def test_what_fails_verification_is_mended_at_its_source_and_carried_again(small: Small) -> None:
    small.in_order = False
    small.edit(REFERENCE, "line 2", "line 2, wrong")
    ok, shown = small.carry()
    assert not ok
    assert "run book propagate again" in shown
    small.in_order = True
    small.edit(REFERENCE, "line 2, wrong", "line 2, mended")
    assert small.carry()[0]
    for number, step in enumerate(STEPS):
        assert small.text(step) == agent(number).replace("line 2\n", "line 2, mended\n")
    assert small.verified == [list(STEPS)] * 2
    assert not small.state.exists()


def test_what_fails_verification_is_mended_in_a_later_step_and_flows_on(small: Small) -> None:
    small.in_order = False
    small.edit(REFERENCE, "line 2", "line 2, mended")
    small.carry()
    small.in_order = True
    small.edit(COMPLETE, "line 40", "the end")
    assert small.carry()[0]
    assert small.text(SECOND).endswith("line 39\nline 40\n")
    for step in (COMPLETE, FOURTH, FIFTH):
        assert "line 2, mended\n" in small.text(step)
        assert small.text(step).endswith("line 39\nthe end\n")
    assert small.verified == [list(STEPS)] * 2


def test_a_second_run_verifies_what_the_first_has_carried(small: Small) -> None:
    small.in_order = False
    small.edit(REFERENCE, "line 2", "line 2, mended")
    small.carry()
    assert not small.carry()[0]
    small.in_order = True
    assert small.carry()[0]
    assert small.verified == [list(STEPS)] * 3


def test_what_verification_formats_belongs_to_the_run(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2,wrong")
    small.in_order = False

    def formats() -> None:
        for step in STEPS:
            small.write(step, "agent.py", small.text(step).replace(",wrong", ", wrong"))

    small.formatter = formats
    assert not small.carry()[0]
    assert "line 2, wrong\n" in small.text(FIFTH)
    small.in_order = True
    small.edit(REFERENCE, "line 2, wrong", "line 2, mended")
    assert small.carry()[0]
    assert "line 2, mended\n" in small.text(FIFTH)


# Refusals


def test_uncommitted_work_on_the_same_file_is_refused_by_name(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, mended")
    small.edit(COMPLETE, "line 40", "the end")
    small.edit(FIFTH, "line 39", "nearly the end")
    before = small.everything()
    with pytest.raises(ChainError) as refused:
        small.carry()
    assert "chapters/chapter-02-trials/complete/agent.py\n" in str(refused.value)
    assert "chapters/chapter-03-ordeals/fifth/agent.py\n" in str(refused.value)
    assert "book propagate chapter-02/complete" in str(refused.value)
    assert small.everything() == before


def test_an_edit_that_changes_after_it_was_carried_names_the_way_back(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, wrong")
    small.write(REFERENCE, "extra.py", "wrong\n")
    assert small.carry()[0]
    small.edit(REFERENCE, "line 2, wrong", "line 2, mended")
    small.write(REFERENCE, "extra.py", "mended\n")
    with pytest.raises(ChainError) as refused:
        small.carry()
    restore, clean = str(refused.value).partition("git takes it back: ")[2].split("; ")
    assert restore.count("agent.py") == clean.count("extra.py") == 5
    small.git(*restore.split()[1:])
    small.git(*clean.split()[1:])
    assert small.carry()[0]
    for step in STEPS:
        assert "line 2, mended\n" in small.text(step)
        assert small.text(step, "extra.py") == "mended\n"


def test_uncommitted_work_behind_a_conflict_is_refused_at_once(small: Small) -> None:
    small.edit(REFERENCE, "line 14", "line 14, mended")
    small.edit(FIFTH, "line 39", "nearly the end")
    before = small.everything()
    with pytest.raises(ChainError, match=r"fifth/agent\.py"):
        small.carry()
    assert small.everything() == before


def test_an_untracked_or_ignored_file_is_not_overwritten(small: Small) -> None:
    small.put(small.folder(SECOND) / ".gitignore", "local.py\n")
    small.commit()
    small.write(SECOND, "local.py", "mine\n")
    small.write(REFERENCE, "local.py", "new\n")
    with pytest.raises(ChainError, match=r"second/local\.py"):
        small.carry()
    assert small.text(SECOND, "local.py") == "mine\n"


def test_uncommitted_work_in_another_file_survives(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, mended")
    small.write(COMPLETE, "README.md", "# being written\n")
    assert small.carry()[0]
    assert small.text(COMPLETE, "README.md") == "# being written\n"


def test_markers_in_the_edit_itself_are_refused(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "<<<<<<< HEAD")
    with pytest.raises(ChainError, match=r"reference-agent/agent\.py:2"):
        small.carry()


def test_text_that_looks_like_a_marker_from_the_start_is_fine(small: Small) -> None:
    for step in STEPS:
        small.write(step, "guide.txt", "Title\n=======\n<<<<<<< an example\n")
    small.commit()
    small.write(REFERENCE, "guide.txt", "Title\n=======\n<<<<<<< an example\nmore\n")
    assert small.carry()[0]


def test_a_folder_in_the_way_is_named(small: Small) -> None:
    small.write(SECOND, "data/x.txt", "x\n")
    small.commit()
    small.write(REFERENCE, "data", "a file\n")
    with pytest.raises(ChainError, match=r"second/data: .*in the way"):
        small.carry()


def test_a_file_in_the_way_of_a_folder_is_named(small: Small) -> None:
    small.write(SECOND, "data", "a file\n")
    small.commit()
    small.write(REFERENCE, "data/x.txt", "x\n")
    with pytest.raises(ChainError, match=r"second/data: this file is in the way"):
        small.carry()
    assert not small.has(FIRST, "data")


def test_without_a_repository_or_a_commit_nothing_is_measured(small: Small, tmp_path: Path) -> None:
    (small.root / ".git").rename(tmp_path / "aside")
    with pytest.raises(ChainError, match="no git repository"):
        small.carry()
    small.git("init", "-q")
    with pytest.raises(ChainError, match="no commit yet"):
        small.carry()


def test_a_merge_under_way_is_refused(small: Small) -> None:
    small.git("switch", "-q", "-c", "other")
    small.edit(REFERENCE, "line 2", "line 2, theirs")
    small.commit()
    small.git("switch", "-q", "main")
    small.git("merge", "-q", "--no-ff", "--no-commit", "other")
    with pytest.raises(ChainError, match="a merge is under way"):
        small.carry()


def test_unmerged_files_of_a_stash_are_refused(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, stashed")
    small.git("stash", "-q")
    small.edit(REFERENCE, "line 2", "line 2, committed")
    small.commit()
    with pytest.raises(Exception, match="stash"):
        small.git("stash", "pop")
    with pytest.raises(ChainError, match=r"unmerged files: reference-agent/agent\.py"):
        small.carry()


def test_a_state_that_cannot_be_read_is_named(small: Small) -> None:
    small.state.write_text("{", encoding="utf-8")
    with pytest.raises(ChainError, match=r"book-propagate\.json.*Remove it"):
        small.carry()


def test_an_unknown_start_is_answered_with_the_valid_ones(small: Small) -> None:
    with pytest.raises(ChainError, match="chapter-03/fifth"):
        small.carry("sixth")


# Dry run, interruption, new steps


def test_a_dry_run_writes_nothing_and_tells_the_same(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, mended")
    small.rename(REFERENCE, "tools.py", "toolbox.py")
    before = small.everything()
    ok, dry = small.carry(dry_run=True)
    assert ok
    assert small.everything() == before
    assert small.verified == []
    _, wet = small.carry()
    assert dry == f"Dry run: nothing is written.\n{wet}"


def test_a_dry_run_names_the_places_of_conflicts(small: Small) -> None:
    small.edit(REFERENCE, "line 14", "line 14, mended")
    before = small.everything()
    ok, shown = small.carry(dry_run=True)
    assert not ok
    assert "second/agent.py:14: " in shown
    assert small.everything() == before


def test_a_run_cut_off_between_two_files_goes_on(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, mended")
    small.in_order = False  # leaves the state, as an interruption does
    small.carry()
    small.git("restore", "chapters/chapter-02-trials/complete", "chapters/chapter-03-ordeals")
    state = small.state.read_text(encoding="utf-8")
    small.state.write_text(state.replace('"written": true', '"written": false'), encoding="utf-8")
    small.in_order = True
    assert small.carry()[0]
    assert all("line 2, mended\n" in small.text(step) for step in STEPS)


def test_a_conflict_that_was_cut_off_is_no_decision(small: Small) -> None:
    stop_at_second(small)
    small.git("restore", "chapters/chapter-02-trials/second")
    state = small.state.read_text(encoding="utf-8")
    small.state.write_text(state.replace('"written": true', '"written": false'), encoding="utf-8")
    ok, shown = small.carry()
    assert not ok
    assert "second/agent.py:14" in shown


def test_what_cannot_be_written_is_named_and_the_next_run_goes_on(small: Small) -> None:
    small.edit(REFERENCE, "line 2", "line 2, mended")
    blocked = small.folder(COMPLETE) / ".agent.py.book-part"
    blocked.mkdir()
    with pytest.raises(ChainError, match=r"\.agent\.py\.book-part: .*goes on from there"):
        small.carry()
    assert "line 2, mended\n" in small.text(SECOND)
    assert small.text(COMPLETE) == agent(3)
    blocked.rmdir()
    assert small.carry()[0]
    assert all("line 2, mended\n" in small.text(step) for step in STEPS)
    assert small.verified == [list(STEPS)]


def test_what_a_killed_run_left_half_written_is_no_new_file(small: Small) -> None:
    small.write(REFERENCE, ".agent.py.book-part", "half")
    assert "Nothing to carry" in small.carry()[1]


def test_an_interrupted_verification_is_made_up_for(small: Small) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    small.edit(REFERENCE, "line 2", "line 2, mended")
    small.formatter = interrupted
    with pytest.raises(KeyboardInterrupt):
        small.carry()
    small.formatter = lambda: None
    assert small.carry()[0]
    assert small.verified == [list(STEPS)] * 2
    assert not small.state.exists()


def test_the_lesson_of_a_new_uncommitted_step_flows_on(small: Small) -> None:
    for name in ("agent.py", "tools.py", "config.py"):
        small.write("chapter-02/between", name, small.read(FIRST, name))
    small.edit("chapter-02/between", "line 34", "line 34 of between")
    listing = small.folder(FIRST).parent / "steps.toml"
    entry = '[[step]]\nname = "between"\nlesson = "New."\nchanges = ["agent.py"]\n\n'
    text = listing.read_text(encoding="utf-8")
    small.put(
        listing, text.replace('[[step]]\nname = "second"', f'{entry}[[step]]\nname = "second"')
    )
    assert small.carry()[0]
    for number, step in list(enumerate(STEPS))[2:]:
        assert small.text(step) == agent(number).replace("line 34\n", "line 34 of between\n")
    assert small.text(FIRST) == agent(1)


@pytest.fixture(scope="module")
def shared(template: Small, tmp_path_factory: pytest.TempPathFactory) -> Small:
    return template.copied(tmp_path_factory.mktemp("shared") / "book")


free = [n for n in range(1, LINES + 1) if all(abs(n - (6 + 4 * step)) > 1 for step in range(1, 6))]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lines=st.sets(st.sampled_from(free), min_size=1, max_size=5),
    words=st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1),
    start=st.integers(0, 4),
)
def test_lines_that_no_later_step_changes_arrive_in_all_and_the_others_stay(
    shared: Small, lines: set[int], words: str, start: int
) -> None:
    def edited(text: str) -> str:
        kept = text.split("\n")
        return "\n".join(words if n in lines else line for n, line in enumerate(kept, 1))

    shared.git("restore", ".")
    shared.write(STEPS[start], "agent.py", edited(agent(start)))
    assert shared.carry()[0]
    for number, step in enumerate(STEPS):
        expected = edited(agent(number)) if number >= start else agent(number)
        assert shared.text(step) == expected
