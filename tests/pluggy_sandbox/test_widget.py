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
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]

PAGE = """
<!doctype html><script src="{url}/pluggy-connect.js"></script><pre id="log"></pre><div id="place"></div><script>
const flows = {flows};
const said = {{}};
const show = () => {{ document.getElementById("log").textContent = JSON.stringify(said); }};
const host = () => document.getElementById("pluggy-connect");
async function play(flow) {{
  const log = (text) => {{ said[flow.name].push(text); }};
  said[flow.name] = [];
  const settled = new Promise((done) => {{
    const widget = new PluggyConnect({{
      connectToken: flow.token, includeSandbox: true, updateItem: flow.update, forceAskForCredentials: flow.ask,
      onOpen: () => log("open"),
      allowConnectInBackground: flow.background, allowFullscreen: flow.fullscreen,
      onHide: () => log(`hide ${{host().style.display}}`),
      onEvent: (payload, meta) => {{
        const whole = !payload.connector || (payload.connector.credentials && payload.connector.health);
        log(payload.event + (typeof meta.timestamp === "number" ? "" : "?") + (whole ? "" : " in part"));
      }},
      onSuccess: ({{ item }}) => {{ log("success " + item.executionStatus); done(); }},
      onError: ({{ code, data }}) => {{ log("error " + code + (data ? " with item" : "")); done(); }},
    }});
    const rendered = () => log(host().parentNode.id || "page");
    widget.init(flow.inside).then(rendered, (error) => {{ log(error.message); done(); }});
    if (flow.inside === "#nowhere") widget.hide().catch((error) => log(error.message));
  }});
  const person = setInterval(() => {{
    const root = host()?.shadowRoot;
    const bank = root?.querySelector(`[data-connector="${{flow.connector}}"]`);
    const scan = root?.querySelector(`[data-simulate="${{flow.scan}}"]`);
    const minimise = root?.querySelector("[data-minimise]");
    const form = root?.querySelector("form");
    if (minimise && flow.sent && !flow.minimised) {{ flow.minimised = true; minimise.click(); }}
    else if (bank) bank.click();
    else if (scan && !flow.scanned) {{ flow.scanned = true; scan.click(); }}
    else if (form && !form.dataset.sent) {{
      form.dataset.sent = flow.sent = 1;
      for (const input of form.querySelectorAll("input")) input.value = flow.answers[input.name] ?? "";
      form.requestSubmit();
    }}
  }}, 60);
  await settled;
  clearInterval(person);
  if (flow.background === undefined && host()?.shadowRoot.querySelector("[data-minimise]")) log("may be minimised");
  const fixed = host() && getComputedStyle(host().shadowRoot.firstElementChild).position;
  log(flow.inside ? `inside ${{fixed}}` : `over the page ${{fixed}}`);
  host()?.remove();
}}
(async () => {{ for (const flow of flows) await play(flow); show(); }})();
</script>
"""

NEW = [
    "open", "page", "SELECTED_INSTITUTION", "SUBMITTED_LOGIN", "LOGIN_SUCCESS", "LOGIN_STEP_COMPLETED", "ITEM_RESPONSE",
    "success SUCCESS", "over the page fixed",
]  # fmt: skip


def test_every_flow_of_the_widget_ends_as_it_should(driver: Driver, tmp_path: Path) -> None:
    fine, bad = driver.connect(), driver.connect("user-bad")
    flows = [
        flow(driver, "new", 2),
        *(flow(driver, user, 5, user) for user in ("user-ok", "user-ok-img", "user-ok-phone", "user-ok-multi-company")),
        flow(driver, "qr", 19, scan="approve"),
        flow(driver, "refused qr", 19, scan="reject"),
        flow(driver, "locked", 2, "user-locked"),
        flow(driver, "wrong digits", 600, cpf="111.111.111-11"),
        flow(driver, "update", 2, update=fine),
        flow(driver, "told to ask", 2, update=fine, ask=True),
        flow(driver, "new credentials", 2, update=bad),
        flow(driver, "in the background", 5, background=True),
        flow(driver, "inside", 2, inside="#place"),
        flow(driver, "nowhere", 2, inside="#nowhere"),
    ]

    said = browse(driver, tmp_path, flows)

    assert said["new"] == NEW
    for user in ("user-ok", "user-ok-img", "user-ok-phone", "user-ok-multi-company"):
        assert "SUBMITTED_MFA" in said[user], user
        assert said[user][-2] == "success SUCCESS", user
    assert said["qr"][-2] == "success SUCCESS"
    assert said["refused qr"][-2] == "error USER_AUTHORIZATION_NOT_GRANTED with item"
    assert said["locked"][-2] == "error ACCOUNT_LOCKED with item"
    assert said["wrong digits"][-2] == "error CONNECTOR_VALIDATION_ERROR"
    assert "SUBMITTED_LOGIN" not in said["update"]
    assert said["update"][-2] == "success SUCCESS"
    for asked in ("told to ask", "new credentials"):
        assert next(event for event in said[asked] if event.isupper()) == "SUBMITTED_LOGIN"
        assert said[asked][-2] == "success SUCCESS"
    assert driver.state(bad) == "UPDATED SUCCESS"
    assert said["in the background"].count("hide none") == 1
    assert said["in the background"][-2] == "success SUCCESS"
    assert said["inside"] == ["place" if each == "page" else each for each in NEW[:-1]] + ["inside static"]
    assert set(said["nowhere"][:2]) == {"Pluggy Connect is not open", "the container does not exist"}


def flow(driver: Driver, name: str, connector: int, user: str = "user-ok", **more: Any) -> Json:
    """Return what one person does in the widget."""
    update = more.get("update")
    token = driver.api.post("/connect_token", json={"itemId": update} if update else {}).json()["accessToken"]
    answers = {"user": user, "password": "password-ok", "token": "123456", "cpf": more.pop("cpf", "")}
    return {"name": name, "token": token, "connector": connector, "ask": False, "answers": answers, **more}


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
