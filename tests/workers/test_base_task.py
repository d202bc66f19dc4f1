"""What a task raises is logged by type and place, and Celery gets the name of the type alone."""

import io
import logging
import traceback

import celery
import pytest

from workers.base_task import BaseTask, TaskFailedError

SECRET = "Failing row contains (Maria, 529.982.247-25)"


@pytest.fixture
def task():
    with celery.Celery("a", task_cls=BaseTask, set_as_current=False) as app:

        @app.task(name="fail")
        def fail(_item_id):
            try:
                raise KeyError(SECRET)
            except KeyError as exc:
                raise ValueError(SECRET) from exc

        yield fail


@pytest.fixture
def logged():
    text = io.StringIO()
    (printer,) = [each for each in logging.getLogger().handlers if type(each) is logging.StreamHandler]
    before = printer.setStream(text)
    yield text.getvalue
    printer.setStream(before)


def test_what_leaves_a_task_is_the_name_of_the_type(task):
    with pytest.raises(TaskFailedError) as caught:
        task("item-1")

    assert str(caught.value) == "ValueError"
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    with_locals = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert SECRET not in "".join(with_locals.format())


def test_the_log_says_which_task_failed_for_what_and_where(task, logged):
    with pytest.raises(TaskFailedError):
        task("item-1")

    assert '"event": "task.failed"' in logged()
    assert '"task": "fail"' in logged()
    assert '"argument": "item-1"' in logged()
    assert '"exception": "ValueError"' in logged()
    assert '"caused_by": "KeyError"' in logged()
    assert "test_base_task.py" in logged()
    assert SECRET not in logged()


def test_a_process_that_is_told_to_end_ends(task):
    task.run = lambda: (_ for _ in ()).throw(SystemExit(3))

    with pytest.raises(SystemExit):
        task()
