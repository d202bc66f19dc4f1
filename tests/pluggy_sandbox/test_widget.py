"""The stand-in of the Connect widget, in a real browser (Pluggy facts 4.4); skipped where there is none."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.pluggy_sandbox.driver import Driver, Json

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox",
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=60000", "--dump-dom",
)  # fmt: skip
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

PAGE = """
<!doctype html><script src="{url}/pluggy-connect.js"></script><pre id="log"></pre><script>
const flows = {flows};
const said = {{}};
const show = () => {{ document.getElementById("log").textContent = JSON.stringify(said); }};
async function play(flow) {{
  const log = (text) => {{ said[flow.name].push(text); }};
  said[flow.name] = [];
  const settled = new Promise((done) => {{
    new PluggyConnect({{
      connectToken: flow.token, includeSandbox: true, updateItem: flow.update, forceAskForCredentials: flow.ask,
      onOpen: () => log("open"),
      onEvent: (payload, meta) => log(payload.event + (typeof meta.timestamp === "number" ? "" : "?")),
      onSuccess: ({{ item }}) => {{ log("success " + item.executionStatus); done(); }},
      onError: ({{ code, data }}) => {{ log("error " + code + (data ? " with item" : "")); done(); }},
    }}).init();
  }});
  const person = setInterval(() => {{
    const root = document.getElementById("pluggy-connect")?.shadowRoot;
    const bank = root?.querySelector(`[data-connector="${{flow.connector}}"]`);
    const scan = root?.querySelector("[data-simulate]");
    const form = root?.querySelector("form");
    if (bank) bank.click();
    else if (scan && !flow.scanned) {{ flow.scanned = true; scan.click(); }}
    else if (form && !form.dataset.sent) {{
      form.dataset.sent = 1;
      for (const input of form.querySelectorAll("input")) input.value = flow.answers[input.name] ?? "";
      form.requestSubmit();
    }}
  }}, 60);
  await settled;
  clearInterval(person);
  document.getElementById("pluggy-connect").remove();
}}
(async () => {{ for (const flow of flows) await play(flow); show(); }})();
</script>
"""

NEW = [
    "open", "SELECTED_INSTITUTION", "SUBMITTED_LOGIN", "LOGIN_SUCCESS", "LOGIN_STEP_COMPLETED", "ITEM_RESPONSE",
    "success SUCCESS",
]  # fmt: skip


def test_every_flow_of_the_widget_ends_as_it_should(driver: Driver, tmp_path: Path) -> None:
    fine, bad = driver.connect(), driver.connect("user-bad")
    flows = [
        flow(driver, "new", 2),
        *(flow(driver, user, 5, user) for user in ("user-ok", "user-ok-img", "user-ok-phone", "user-ok-multi-company")),
        flow(driver, "qr", 19),
        flow(driver, "locked", 2, "user-locked"),
        flow(driver, "wrong digits", 600, cpf="111.111.111-11"),
        flow(driver, "update", 2, update=fine),
        flow(driver, "told to ask", 2, update=fine, ask=True),
        flow(driver, "new credentials", 2, update=bad),
    ]

    said = browse(driver, tmp_path, flows)

    assert said["new"] == NEW
    for user in ("user-ok", "user-ok-img", "user-ok-phone", "user-ok-multi-company"):
        assert "SUBMITTED_MFA" in said[user], user
        assert said[user][-1] == "success SUCCESS", user
    assert said["qr"][-1] == "success SUCCESS"
    assert said["locked"][-1] == "error ACCOUNT_LOCKED with item"
    assert said["wrong digits"][-1] == "error CONNECTOR_VALIDATION_ERROR"
    assert "SUBMITTED_LOGIN" not in said["update"]
    assert said["update"][-1] == "success SUCCESS"
    for asked in ("told to ask", "new credentials"):
        assert said[asked][1] == "SUBMITTED_LOGIN"
        assert said[asked][-1] == "success SUCCESS"
    assert driver.state(bad) == "UPDATED SUCCESS"


def flow(driver: Driver, name: str, connector: int, user: str = "user-ok", **more: Any) -> Json:
    """Return what one person does in the widget."""
    update = more.get("update")
    token = driver.api.post("/connect_token", json={"itemId": update} if update else {}).json()["accessToken"]
    answers = {"user": user, "password": "password-ok", "token": "123456", "cpf": more.get("cpf", "")}
    ask = more.get("ask", False)
    return {"name": name, "token": token, "connector": connector, "update": update, "ask": ask, "answers": answers}


def browse(driver: Driver, tmp_path: Path, flows: list[Json]) -> dict[str, list[str]]:
    """Let a browser go through *flows* and return what the callbacks of each said."""
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(url=driver.sandbox.url, flows=json.dumps(flows)))
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"file://{page}"]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="log">(.+?)</pre>', dom, re.DOTALL)
    assert found, dom[-500:]
    said: dict[str, list[str]] = json.loads(unescape(found[1]))
    return said
