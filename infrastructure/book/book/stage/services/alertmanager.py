"""Alertmanager: groups and routes a trial's alerts, and delivers them to a webhook.

This prevents routes that nobody has ever seen deliver. Like Prometheus it belongs to one trial.
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from pathlib import Path

from book.stage.services.alone import Alone
from book.stage.services.errors import ServiceError
from book.stage.services.programs import Program, distinct, on_path
from book.stage.services.supervised import Supervised, supervise

KIND, VARIABLE = "alertmanager", "ALERTMANAGER_URL"
INSTALL = (
    "install it (Debian, Ubuntu: sudo apt-get install prometheus-alertmanager; "
    "macOS: brew install alertmanager)"
)
LISTENS = r'msg="?Listening on"? address=127\.0\.0\.1:(\d+)'


@dataclass(frozen=True)
class AlertmanagerSettings:
    """``webhook`` gets every alert at once; or ``config``, the text of a configuration."""

    webhook: str | None = None
    config: str | None = None


def programs() -> list[Program]:
    """What could run here; Debian's package calls it prometheus-alertmanager."""
    return distinct(on_path("alertmanager", "prometheus-alertmanager"))


class AlertmanagerServer(Alone):
    """A server that chose its own port on 127.0.0.1, alone: it looks for no cluster."""

    kind, variable = KIND, VARIABLE

    def __init__(
        self, scratch: Path, program: Program, settings: AlertmanagerSettings | None = None
    ) -> None:
        self._program, self._settings = program, settings or AlertmanagerSettings()
        if (self._settings.webhook is None) == (self._settings.config is None):
            raise ServiceError(f"{KIND}: its settings take a webhook or a config, one of them")
        super().__init__(scratch)

    def _start(self, port: int) -> tuple[Supervised, int]:
        config = self._folder / "alertmanager.yml"
        config.touch(mode=0o600)
        config.write_text(self._settings.config or self._to_webhook(), encoding="utf-8")
        process = supervise(
            f"the {KIND} server",
            [
                self._program.path,
                f"--config.file={config}",
                f"--storage.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            self._folder / "output.txt",
            quit_signal=signal.SIGTERM,
            remove=[self._folder],
        )
        try:
            found = process.until_said(LISTENS)
        except BaseException:
            process.end()
            raise
        return process, int(found[1])

    def _to_webhook(self) -> str:
        route = {
            "receiver": "book",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        }
        hook = {"url": self._settings.webhook, "send_resolved": True}
        receivers = [{"name": "book", "webhook_configs": [hook]}]
        return json.dumps({"route": route, "receivers": receivers})
