"""The chapter's demonstration is no part of its package; its folder comes first on the path."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "demonstration"))
