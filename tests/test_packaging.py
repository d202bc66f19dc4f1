"""What is delivered beside the code: locks, image, compose file, Procfile, example settings."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pluggy_sync import queue
from pluggy_sync.settings import setting_names
from standalone import procfile

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("console", "pluggy_sandbox", "pluggy_sync", "standalone", "webhook_app", "workers")
NOT_OUR_IMAGE = {"postgres", "redis"}
PINNED = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>\S+)", re.MULTILINE)
VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?P<rest>[^}]*)\}")


@pytest.fixture(scope="module")
def compose():
    return YAML(typ="safe").load(ROOT / "docker-compose.yml")


@pytest.fixture(scope="module")
def services(compose):
    return {name: service for name, service in compose["services"].items() if name not in NOT_OUR_IMAGE}


def output_of(*argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_compose_file_is_valid_by_the_compose_specification():
    check = Path(sys.executable).with_name("check-jsonschema")

    output_of(check, "--builtin-schema", "vendor.compose-spec", ROOT / "docker-compose.yml")


def test_every_process_of_the_procfile_runs_under_compose(services):
    run = {service["command"][0] for service in services.values()}

    assert run == set(procfile.commands())


def test_everything_that_stays_up_under_compose_has_a_health_check(compose):
    without = [
        name
        for name, service in compose["services"].items()
        if "healthcheck" not in service and service.get("restart") != "no"
    ]

    assert without == []


def test_no_secret_in_the_compose_file_has_a_default():
    text = (ROOT / "docker-compose.yml").read_text()
    secret = re.compile("PASSWORD|SECRET|TOKEN|KEY|AUTH")

    found = {match["name"]: match["rest"] for match in VARIABLE.finditer(text) if secret.search(match["name"])}

    assert set(found) >= {"POSTGRES_PASSWORD", "SECRET_KEY", "WEBHOOK_SECRETS", "API_TOKENS"}
    assert set(found.values()) == {":?"}


def test_ports_are_published_to_this_machine_only(compose):
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_our_containers_may_do_no_more_than_they_need(services):
    for service in services.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    last_user = re.findall(r"^USER (.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[-1]
    assert last_user not in ("root", "0")


def test_redis_appends_every_write_to_a_file(compose):
    command = compose["services"]["redis"]["command"]

    assert command[command.index("--appendonly") + 1] == "yes"


@pytest.mark.parametrize("name", [*procfile.commands(), "nothing"])
def test_the_image_starts_what_the_procfile_says(tmp_path, name):
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    # With `echo` before each command, it is printed as the shell has filled it in.
    lines = (f"{each}: echo {command}\n" for each, command in procfile.commands().items())
    (tmp_path / "Procfile").write_text("".join(lines))

    done = subprocess.run([tmp_path / "bin/run-process", name], capture_output=True, text=True, check=False)

    if name == "nothing":
        assert done.returncode == 64
    else:
        assert done.stdout.split()[0] == procfile.commands()[name].split()[0]
        assert "$" not in done.stdout


def test_the_example_names_every_setting():
    named = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert set(named) >= set(setting_names())
    assert len(named) == len(set(named))


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-production.lock"])
def test_every_locked_package_has_an_exact_version_and_a_hash_and_no_address(lock):
    text = (ROOT / lock).read_text()
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", text) if entry.strip()]

    assert len(entries) > 20
    assert all(PINNED.match(entry) and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


def test_the_image_gets_the_versions_that_were_tested():
    tested = set(PINNED.findall((ROOT / "requirements.lock").read_text()))
    delivered = set(PINNED.findall((ROOT / "requirements-production.lock").read_text()))

    assert delivered <= tested
    assert "pytest" not in {name for name, _ in delivered}


def test_the_wheel_holds_every_file_of_the_packages(tmp_path):
    source = tmp_path / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    (source / "README.md").write_text("readme")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]

    output_of(*build, "--wheel-dir", tmp_path, source, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})

    [wheel] = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.split("/")[0] in PACKAGES}
    wanted = {
        str(file.relative_to(source))
        for package in PACKAGES
        for file in (source / package).rglob("*")
        if file.is_file()
    }
    assert packed == wanted


def queues_by_process():
    found = {name: re.search(r"--queues (\S+)", command) for name, command in procfile.commands().items()}
    return {name: match[1].split(",") for name, match in found.items() if match}


def test_every_queue_is_served_by_one_process_of_the_procfile():
    served = [name for names in queues_by_process().values() for name in names]

    assert sorted(served) == sorted(set(queue.QUEUE_OF_TASK.values()))


def test_neither_pluggy_nor_a_backlog_can_hold_up_notifications():
    assert set(queues_by_process()["notifications"]) == {queue.NOTIFICATIONS, queue.URGENT_NOTIFICATIONS}


def test_nothing_else_can_hold_up_what_a_person_waits_for():
    assert queues_by_process()["urgent"] == [queue.URGENT]


def test_nothing_else_can_hold_up_what_beat_sends():
    assert queues_by_process()["schedule"] == [queue.SCHEDULE]


def test_two_workers_on_one_machine_have_names_of_their_own():
    commands = procfile.commands()
    names = [re.search(r"--hostname (\S+)", commands[name])[1] for name in queues_by_process()]

    assert len(set(names)) == len(names)
