"""A progress bar for work that takes longer than two seconds; silent when not in a terminal."""

import sys
import time
from typing import Any

PATIENCE_S = 2.0


class Progress:
    """Use as a context; call update(done) as often as you like."""

    def __init__(self, description: str, total: float, unit: str = ""):
        self.description, self.total, self.unit = description, total, unit
        self.start = time.monotonic()
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> "Progress":
        return self

    def update(self, done: float, description: str | None = None) -> None:
        """Show that `done` of the total is done, and optionally a new description."""
        if description is not None:
            self.description = description
        if self.bar is None and sys.stderr.isatty() and time.monotonic() - self.start > PATIENCE_S:
            self._show()
        if self.bar is None:
            return
        self.bar.update(self.task, completed=done, description=self.description)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        count = TextColumn("{task.completed:,.0f}/{task.total:,.0f} " + self.unit)
        columns = TextColumn("{task.description}"), BarColumn(), count, TimeRemainingColumn()
        self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
        self.bar.start()
        self.task = self.bar.add_task(self.description, total=self.total)

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()
