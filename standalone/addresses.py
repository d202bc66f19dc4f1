"""The box with the addresses of a run, shown when it is up, on Enter, and by `make where`."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from rich import box as borders
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from standalone.plan import OPERATOR


def box(run: Mapping[str, str], file: Path) -> Panel:
    """Return where everything is of the *run* that was written down in *file*."""
    rows = Table.grid(padding=(0, 2))
    for name, value in _rows(run, file):
        rows.add_row(name, Text(value, overflow="fold"))
    closing = Text("Enter or `make where` shows this again; Ctrl-C stops everything", style="dim")
    return Panel(Group(rows, closing), title="pluggy-sync is up", title_align="left", box=borders.ASCII, expand=False)


def _rows(run: Mapping[str, str], file: Path) -> list[tuple[str, str]]:
    token, _, _ = run["API_TOKENS"].partition(",")
    return [
        *([("Wallet: begin here", f"{run['WALLET_URL']}/")] if "WALLET_URL" in run else []),
        ("Service", f"{run['WEB_URL']}/"),
        ("API docs", f"{run['WEB_URL']}/v1/docs"),
        ("API token", token),
        ("Local Pluggy", f"{run['SANDBOX_URL']}/") if "SANDBOX_URL" in run else ("Pluggy", run["PLUGGY_API_URL"]),
        ("Console", f"{run['CONSOLE_URL']}/"),
        *([("Console login", f"{OPERATOR} / {run['CONSOLE_PASSWORD']}")] if "CONSOLE_PASSWORD" in run else []),
        ("Flower", f"{run['FLOWER_URL']}/"),
        ("Flower login", run["FLOWER_BASIC_AUTH"].replace(":", " / ")),
        ("Logs", str(file.with_name("logs"))),
        ("All settings", str(file)),
    ]


def show_on_enter(show: Callable[[], None]) -> None:
    """Call *show* each time that Enter is pressed, if there is a terminal to press it in."""
    if not sys.stdin.isatty():
        return
    # In the background of a shell, reading the terminal would stop us; so it is an error instead, and ends the thread.
    signal.signal(signal.SIGTTIN, signal.SIG_IGN)

    def listen() -> None:
        try:
            # Not through sys.stdin, whose lock Python wants when it ends.
            while os.read(sys.stdin.fileno(), 1024):
                show()
        except OSError:
            return

    threading.Thread(target=listen, daemon=True).start()
