"""Rules that only read find nothing here, and need no package that only running code needs."""

import subprocess
import sys

ALONE = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pytest", "hypothesis", "mypy", "ruff", "anthropic",
                                      "tenacity", "fastapi", "readiness", "reliability"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
sys.argv = ["book", "check", "--fast"]
from book.__main__ import main
main()
"""


def test_the_repository_has_no_findings_without_a_package_that_only_running_code_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], capture_output=True, text=True, check=False
    )
    assert "nothing found" in done.stdout, done.stdout + done.stderr
    assert "what runs code left out" in done.stdout
