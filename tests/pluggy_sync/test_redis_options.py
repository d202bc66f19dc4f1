"""Every client of Redis reads the same address, and none speaks to a stranger behind `rediss://`."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from kombu.exceptions import KombuError
from limits import RateLimitItemPerMinute
from limits.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from pluggy_sync import queue
from pluggy_sync.redis_options import redis_options
from tests.kit.factories import a_settings
from tests.kit.tls import a_certificate, tls_front


def sends_a_task(url: str) -> bool:
    with closing(queue.Sender(url)) as sender:
        return sender.send([queue.Message(queue.HANDLE_EVENT, "event-1")])


def works_as_a_worker(url: str) -> bool:
    with closing(queue.celery_app(url)) as app:
        try:
            app.send_task(queue.HANDLE_EVENT, args=["event-1"], retry=False)
        except (KombuError, RedisError, OSError):
            return False
        return True


def sets_a_key(url: str) -> bool:
    with redis_options(url).client(connect_timeout_s=2, timeout_s=2) as client:
        try:
            return bool(client.set("a", "b"))
        except RedisError:
            return False


def counts(url: str) -> bool:
    storage = redis_options(url).storage(prefix="a", connect_timeout_s=2, timeout_s=2)
    with closing(storage.storage):
        try:
            return MovingWindowRateLimiter(storage).hit(RateLimitItemPerMinute(100_000), "somebody")
        except RedisError:
            return False


CLIENTS: list[Callable[[str], bool]] = [sends_a_task, works_as_a_worker, sets_a_key, counts]


@pytest.fixture(params=CLIENTS, ids=["sender", "celery", "redis-py", "limits"])
def works(request):
    return request.param


@pytest.fixture
def behind_tls(tmp_path, shared_valkey):
    @contextmanager
    def behind_tls(address: str) -> Iterator[tuple[str, str]]:
        certificate = a_certificate(tmp_path, address=address)
        with tls_front(certificate, shared_valkey.port) as port:
            yield f"rediss://127.0.0.1:{port}/0", str(certificate.file)

    return behind_tls


def test_a_server_that_nobody_vouches_for_gets_nothing(works, behind_tls):
    with behind_tls("127.0.0.1") as (url, _):
        assert not works(url)


def test_a_server_that_a_trusted_authority_vouches_for_is_used(works, behind_tls):
    with behind_tls("127.0.0.1") as (url, authority):
        assert works(f"{url}?ssl_ca_certs={authority}")


def test_a_server_with_the_certificate_of_another_host_gets_nothing(works, behind_tls):
    with behind_tls("127.0.0.2") as (url, authority):
        assert not works(f"{url}?ssl_ca_certs={authority}")


def test_a_plain_address_is_used_as_it_is(works, shared_valkey):
    assert works(shared_valkey.url)


def test_user_password_and_number_mean_the_same_to_redis_py_and_celery():
    url = "redis://us%40er:p%2Fa%23ss@cache.internal:6380/7"

    with closing(queue.celery_app(url)) as app, app.connection_for_write() as connection:
        celery = (connection.hostname, connection.port, connection.userid, connection.password, connection.virtual_host)
    with redis_options(url).client(connect_timeout_s=1, timeout_s=1) as client:
        ours = client.connection_pool.connection_kwargs

    assert celery == ("cache.internal", 6380, "us@er", "p/a#ss", "7")
    assert tuple(ours[name] for name in ("host", "port", "username", "password")) == celery[:4]
    assert ours["db"] == 7


@pytest.mark.parametrize(
    "url",
    [
        "unix:///run/redis.sock",
        "redis+socket:///run/redis.sock",
        "sentinel://host:26379/0",
        "amqp://host/0",
        "redis:///0",
        "redis://",
        "redis://host:port/0",
        "redis://host:70000/0",
        "redis://host/zero",
        "redis://host/0/1",
        "redis://host/٣",
        "redis://host:6379/0;redis://other:6379/0",
        "redis://:pa#ss@host/0",
        "redis://host/0?ssl_cert_reqs=none",
        "redis://host/0?db=3",
        "redis://ho st/0",
        "redis://host/0\n",
        "rediss://host/0?ssl_cert_reqs=none",
        "rediss://host/0?ssl_cert_reqs=CERT_NONE",
        "rediss://host/0?ssl_cert_reqs=optional",
        "rediss://host/0?ssl_check_hostname=false",
        "rediss://host/0?ssl_ca_certs=/nowhere/ca.pem",
        "rediss://host/0?max_connections=1",
    ],
)
def test_an_address_that_one_client_cannot_use_or_would_not_verify_is_refused(url):
    with pytest.raises(ValueError, match=r"^(Must|Takes|ssl_)"):
        redis_options(url)


@pytest.mark.parametrize("url", ["unix:///run/redis.sock", "rediss://host/0?ssl_cert_reqs=none"])
def test_a_process_does_not_start_with_an_address_that_cannot_be_used(url):
    with pytest.raises(Exception, match="REDIS_URL"):
        a_settings(REDIS_URL=url)


def test_a_refusal_quotes_no_part_of_the_address():
    with pytest.raises(ValueError) as caught:
        redis_options("redis://:hunter2@host:port/0")

    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_asking_for_what_is_done_anyway_is_no_fault():
    options = redis_options("rediss://host/0?ssl_cert_reqs=required&ssl_check_hostname=true")

    assert options.url == "rediss://host/0"
