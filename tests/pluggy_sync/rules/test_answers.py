"""What can be given for what a bank's form asks."""

import time

import pytest

from pluggy_sync.rules import answers
from pluggy_sync.rules.answers import Fault, fault_in, name_of


def test_a_value_of_the_right_form_has_no_fault():
    assert fault_in("123456", {"name": "token", "validation": "^[0-9]{6}$"}) is None
    assert fault_in("ação", {"name": "answer"}) is None
    assert fault_in("b", {"name": "x", "options": [{"value": "a"}, {"value": "b"}]}) is None
    assert fault_in("2", {"name": "x", "options": [{"value": 1}, {"value": 2}]}) is None


@pytest.mark.parametrize(
    "value, parameter, fault",
    [
        ("", {}, Fault.EMPTY),
        ("  \t", {}, Fault.EMPTY),
        ("1" * 1001, {}, Fault.TOO_LONG),
        ("p\ud83d", {}, Fault.NOT_SENDABLE),
        ("c", {"options": [{"value": "a"}, {"value": "b"}]}, Fault.NO_OPTION),
        ("12345", {"validation": "^[0-9]{6}$"}, Fault.NO_MATCH),
        ("123456\n", {"validation": "^[0-9]{6}$"}, Fault.NO_MATCH),
    ],
)
def test_a_value_that_cannot_be_right_is_told_why(value, parameter, fault):
    assert fault_in(value, parameter) is fault
    assert value.strip() == "" or value not in fault.value


@pytest.mark.parametrize(
    "expression",
    [
        "(?=.*[0-9]).{6}",
        "(?<!a)b",
        r"(a)\1",
        "[",
        "(((a{1000}){1000}){1000})",
        "x" * 5000,
        "\ud83d",
        7,
        None,
        ["a"],
        {},
    ],
)
def test_what_of_a_form_cannot_be_read_here_is_left_to_the_bank(expression):
    assert fault_in("123456", {"validation": expression}) is None


@pytest.mark.parametrize(
    "expression", [r"^(\d+)*$", r"^(a|a)*$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(x+x+)+y", r"^(\w*)*!$"]
)
def test_no_expression_takes_longer_than_a_moment(expression):
    began = time.thread_time()

    for letter in ("1", "a", "x"):
        fault_in(letter * 999 + "-", {"validation": expression})

    # With a backtracking engine 26 characters took seconds, and each one more doubles that.
    assert time.thread_time() - began < 1.0


@pytest.mark.parametrize("options", ["ab", {"value": "a"}, ["a", None, 7], [{"label": "a"}], 7, None, [[]]])
def test_odd_options_do_not_stand_in_the_way(options):
    assert fault_in("anything", {"options": options}) is None


@pytest.mark.parametrize(
    "parameter", [{}, {"name": None}, {"name": ""}, {"name": 7}, {"name": ["a"]}, {"name": "\ud83d"}]
)
def test_a_question_without_a_name_cannot_be_answered(parameter):
    assert name_of(parameter) is None


def test_the_name_is_that_of_the_question():
    assert name_of({"name": "token"}) == "token"
    assert answers.can_be_sent("ção 😀")


def test_the_longest_value_and_the_longest_expression_are_still_looked_at():
    assert fault_in("1" * answers.MAX_LENGTH, {"validation": "^[0-9]+$"}) is None
    assert fault_in("1", {"validation": "x" * answers.MAX_EXPRESSION_LENGTH}) is Fault.NO_MATCH


def test_an_expression_that_cannot_be_read_is_not_printed(capfd):
    fault_in("123456", {"validation": "["})

    assert capfd.readouterr() == ("", "")
