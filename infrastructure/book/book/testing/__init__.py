"""Pytest, mypy and ruff for every folder, each in a process of its own."""
