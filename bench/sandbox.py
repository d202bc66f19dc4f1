"""
How quickly the sandbox serves a long history: `python -m bench.sandbox`.

Serves an account of a million transactions from a process of its own, reads all its pages (and one page again and
again), and tells the server's CPU per page and its memory along the way.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

_CLIENT = "bench"
_TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Run the benchmark and print what came out."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--times", type=int, default=5000, help="of user-ok-perf-<n>x; 5000 makes a million rows")
    options.add_argument("--pages", type=int, default=0, help="how many pages to read; 0 for all")
    chosen = options.parse_args()
    command = [sys.executable, "-m", "pluggy_sandbox", "serve", "--port", "0", "--no-limits"]
    environment = {**os.environ, "SANDBOX_CLIENT_ID": _CLIENT, "SANDBOX_CLIENT_SECRET": _CLIENT}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            measure(address, server.pid, chosen.times, chosen.pages)
        finally:
            server.terminate()


def measure(address: str, pid: int, times: int, most_pages: int) -> None:
    """Read the account and print the figures."""
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as api:
        account_id = connect(api, times)
        rows, pages, seconds, cpu, memory = read_all(api, pid, account_id, most_pages)
    print(f"transactions read        {rows:>12,}")
    print(f"pages of up to 500       {pages:>12,}")
    print(f"rows per second          {rows / seconds:>12,.0f}   (client on the same machine)")
    print(f"server CPU per page      {1000 * cpu / pages:>12.2f} ms")
    print("server memory            " + "  ".join(f"{mb:.0f} MB" for mb in memory) + "   (at every tenth of the way)")


def connect(api: httpx.Client, times: int) -> str:
    """Make the Item and return the id of its checking account."""
    key = api.post("/auth", json={"clientId": _CLIENT, "clientSecret": _CLIENT}).json()["apiKey"]
    api.headers["X-API-KEY"] = key
    parameters = {"user": f"user-ok-perf-{times}x", "password": "password-ok"}
    item = api.post("/items", json={"connectorId": 2, "parameters": parameters}).json()
    api.post("/_sandbox/settle", json={})
    accounts = api.get("/accounts", params={"itemId": item["id"], "type": "BANK"}).json()["results"]
    return str(accounts[0]["id"])


def read_all(
    api: httpx.Client, pid: int, account_id: str, most_pages: int
) -> tuple[int, int, float, float, list[float]]:
    """Return rows, pages, seconds, the server's CPU seconds, and its memory in MB along the way."""
    query, rows, pages, memory = f"?accountId={account_id}", 0, 0, [resident_mb(pid)]
    started, cpu = time.perf_counter(), cpu_seconds(pid)
    while query and (pages < most_pages or not most_pages):
        body = api.get(f"/v2/transactions{query}").content
        query = _next(body)
        # Counting ids is enough here, and leaves the machine to the server.
        rows += body.count(b'"accountId":')
        pages += 1
        if pages % 200 == 0:
            memory.append(resident_mb(pid))
    return rows, pages, time.perf_counter() - started, cpu_seconds(pid) - cpu, memory


def _next(body: bytes) -> str:
    tail = body[body.rindex(b'"next":') + 7 : -1]
    return "" if tail == b"null" else tail.strip(b'"').decode()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def resident_mb(pid: int) -> float:
    """Return the memory of a process, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
