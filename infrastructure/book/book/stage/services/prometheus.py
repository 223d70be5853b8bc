"""Prometheus: scrapes a trial's processes, evaluates its rules, tells an Alertmanager.

This prevents alert rules that nobody has ever seen fire. It holds one trial's targets and rules,
so there are no tenants: each trial has its own.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from book.stage.services.alone import Alone
from book.stage.services.errors import ServiceError
from book.stage.services.programs import Program, distinct, on_path
from book.stage.services.supervised import Supervised, supervise

KIND, VARIABLE = "prometheus", "PROMETHEUS_URL"
INSTALL = (
    "install it (Debian, Ubuntu: sudo apt-get install prometheus; macOS: brew install prometheus)"
)
LISTENS = r'msg="?Listening on"? address=127\.0\.0\.1:(\d+)'
READY = r"Server is ready to receive web requests"


@dataclass(frozen=True)
class PrometheusSettings:
    """``targets`` are addresses ("127.0.0.1:9464") by job; ``alertmanager`` is one address;
    ``interval_s`` is of scrapes and of rules, which are files."""

    targets: Mapping[str, Sequence[str]] = field(default_factory=dict, hash=False)
    rules: tuple[Path, ...] = ()
    alertmanager: str | None = None
    interval_s: int = 1


def programs() -> list[Program]:
    """What could run here."""
    return distinct(on_path("prometheus"))


class PrometheusServer(Alone):
    """A server that chose its own port on 127.0.0.1; its figures go when it ends."""

    kind, variable = KIND, VARIABLE

    def __init__(
        self, scratch: Path, program: Program, settings: PrometheusSettings | None = None
    ) -> None:
        self._program, self._settings = program, settings or PrometheusSettings()
        for rule in self._settings.rules:
            if not rule.is_file():
                raise ServiceError(f"{KIND}: there is no file of rules {rule}")
        super().__init__(scratch)

    def _start(self, port: int) -> tuple[Supervised, int]:
        config = self._folder / "prometheus.json"  # JSON is YAML
        config.write_text(json.dumps(_config(self._settings)), encoding="utf-8")
        process = supervise(
            f"the {KIND} server",
            [
                self._program.path,
                f"--config.file={config}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            self._folder / "output.txt",
            quit_signal=signal.SIGTERM,
            remove=[self._folder],
        )
        try:
            found = process.until_said(LISTENS)
            process.until_said(READY)
        except BaseException:
            process.end()
            raise
        return process, int(found[1])


def _config(asked: PrometheusSettings) -> dict[str, object]:
    every = f"{asked.interval_s}s"
    config: dict[str, object] = {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": every,
            "evaluation_interval": every,
        },
        "rule_files": [str(rule.resolve()) for rule in asked.rules],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(targets)}]}
            for job, targets in asked.targets.items()
        ],
    }
    if asked.alertmanager is not None:
        static = [{"targets": [asked.alertmanager]}]
        config["alerting"] = {"alertmanagers": [{"static_configs": static}]}
    return config
