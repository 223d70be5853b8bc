"""What the fork server of tests has imported: one for all tests of a process, whoever starts it.

Without this the first test decides for all: where it needs nothing, each trial of a later one
imports the SDK anew, which costs more than the trial.
"""

from __future__ import annotations

from book.stage import trial
from book.stage.receivers import receivers
from book.testing import running

IMPORTS = (*running.IMPORTS, *trial.IMPORTS, *receivers.IMPORTS, "book.check.lessons")
