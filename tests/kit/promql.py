"""
As much of PromQL as our alert rules use, so that they are tested where there is no Prometheus.

`ops/alerts.test.yaml` is in the format of `promtool test rules`, which reads it too.
"""

import itertools
import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import promql_parser as ql

Labels = tuple[tuple[str, str], ...]
Vector = dict[Labels, float]
MINUTE = 60.0
# How long a sample counts as the newest.
LOOKBACK_S = 5 * MINUTE

_OPERATORS: Mapping[str, Callable[[float, float], float | bool]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else math.nan,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


@dataclass(frozen=True, kw_only=True)
class Series:
    """A series of samples, by the second."""

    name: str
    labels: Labels
    samples: Mapping[float, float]

    @classmethod
    def of(cls, text: str, values: str, *, interval_s: float = MINUTE) -> "Series":
        """Return the series *text*, as `up{job="a"}`, with *values* as promtool writes them: `1 2`, `0+10x5`, `1x3`."""
        selector = ql.parse(text)
        labels = sorted((each.name, each.value) for each in selector.matchers.matchers)
        samples = {n * interval_s: value for n, value in enumerate(_expanded(values)) if value is not None}
        return cls(name=selector.name, labels=tuple(labels), samples=samples)


def _expanded(values: str) -> Iterator[float | None]:
    for word in values.split():
        match = re.fullmatch(r"(-?[\d.]+|_)(?:([+-][\d.]+))?(?:x(\d+))?", word)
        assert match, word
        first, step, times = match[1], float(match[2] or 0), int(match[3] or 0)
        yield from (None if first == "_" else float(first) + step * n for n in range(times + 1))


def evaluate(expr: "ql.Expr", series: Sequence[Series], now: float) -> Vector | float:
    """Return what *expr* is at *now*. What is not known raises: a rule that uses it is not tested."""
    match expr:
        case ql.NumberLiteral():
            return float(expr.val)
        case ql.ParenExpr():
            return evaluate(expr.expr, series, now)
        case ql.VectorSelector():
            return dict(_newest(expr, series, now))
        case ql.Call():
            return _called(expr, series, now)
        case ql.AggregateExpr():
            return _aggregated(expr, series, now)
        case ql.BinaryExpr():
            return _combined(expr, evaluate(expr.lhs, series, now), evaluate(expr.rhs, series, now))
    raise NotImplementedError(str(expr))


def _chosen(selector: "ql.VectorSelector", series: Sequence[Series]) -> Iterator[Series]:
    for each in series:
        labels = dict(each.labels)
        matchers = selector.matchers.matchers
        if each.name == selector.name and all(_matches(one, labels.get(one.name, "")) for one in matchers):
            yield each


def _matches(matcher: "ql.Matcher", value: str) -> bool:
    is_negative = matcher.op in (ql.MatchOp.NotEqual, ql.MatchOp.NotRe)
    is_pattern = matcher.op in (ql.MatchOp.Re, ql.MatchOp.NotRe)
    found = re.fullmatch(matcher.value, value) is not None if is_pattern else value == matcher.value
    return found is not is_negative


def _newest(selector: "ql.VectorSelector", series: Sequence[Series], now: float) -> Iterator[tuple[Labels, float]]:
    for each in _chosen(selector, series):
        times = [at for at in each.samples if now - LOOKBACK_S < at <= now]
        if times:
            yield each.labels, each.samples[max(times)]


def _called(call: "ql.Call", series: Sequence[Series], now: float) -> Vector:
    match call.func.name, call.args:
        case "rate" | "increase", [matrix]:
            window = matrix.range.total_seconds()
            found: Vector = {}
            for each in _chosen(matrix.vector_selector, series):
                values = [each.samples[at] for at in sorted(each.samples) if now - window <= at <= now]
                if len(values) > 1:
                    grown = sum(max(0.0, after - before) for before, after in itertools.pairwise(values))
                    span = (len(values) - 1) * MINUTE
                    found[each.labels] = grown / span * (1 if call.func.name == "rate" else window)
            return found
        case "absent", [vector]:
            return {} if evaluate(vector, series, now) else {(): 1.0}
        case "histogram_quantile", [quantile, vector]:
            return _quantiles(float(quantile.val), evaluate(vector, series, now))
    raise NotImplementedError(str(call))


def _quantiles(quantile: float, buckets: Vector | float) -> Vector:
    """Return the upper bound of the bucket in which the quantile lies: Prometheus would look inside it."""
    assert isinstance(buckets, dict)
    by_rest: dict[Labels, list[tuple[float, float]]] = defaultdict(list)
    for labels, value in buckets.items():
        rest = tuple(each for each in labels if each[0] != "le")
        by_rest[rest].append((float(dict(labels)["le"].replace("+Inf", "inf")), value))
    found: Vector = {}
    for rest, counted in by_rest.items():
        counted.sort()
        if total := counted[-1][1]:
            found[rest] = next(bound for bound, value in counted if value >= quantile * total)
    return found


def _aggregated(expr: "ql.AggregateExpr", series: Sequence[Series], now: float) -> Vector:
    vector = evaluate(expr.expr, series, now)
    assert isinstance(vector, dict)
    kept = set() if expr.modifier is None else set(expr.modifier.labels)
    groups: dict[Labels, list[float]] = defaultdict(list)
    for labels, value in vector.items():
        groups[tuple(each for each in labels if each[0] in kept)].append(value)
    reduce: Mapping[str, Callable[[list[float]], float]] = {"sum": sum, "max": max, "min": min, "count": len}
    return {labels: float(reduce[str(expr.op)](values)) for labels, values in groups.items()}


def _combined(expr: "ql.BinaryExpr", left: Vector | float, right: Vector | float) -> Vector | float:
    operator = str(expr.op)
    if operator in ("and", "or", "unless"):
        assert isinstance(left, dict)
        assert isinstance(right, dict)
        on = None if expr.modifier is None else expr.modifier.matching
        key = _key(None if on is None else on.labels)
        others = {key(labels) for labels in right}
        if operator == "or":
            ours = {key(labels) for labels in left}
            return left | {labels: value for labels, value in right.items() if key(labels) not in ours}
        return {labels: value for labels, value in left.items() if (key(labels) in others) is (operator == "and")}
    compute = _OPERATORS[operator]
    if isinstance(left, float) and isinstance(right, float):
        return float(compute(left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        pairs = [(labels, value, right[labels]) for labels, value in left.items() if labels in right]
    elif isinstance(left, dict):
        assert isinstance(right, float)
        pairs = [(labels, value, right) for labels, value in left.items()]
    else:
        raise NotImplementedError(str(expr))
    found: Vector = {}
    for labels, one, other in pairs:
        result = compute(one, other)
        if result is True:
            found[labels] = one
        elif result is not False:
            found[labels] = result
    return found


def _key(on: Sequence[str] | None) -> Callable[[Labels], Labels]:
    return lambda labels: labels if on is None else tuple(each for each in labels if each[0] in on)


def firing(query: str, series: Sequence[Series], now: float, *, for_s: float) -> list[dict[str, str]]:
    """Return the labels of each alert that fires at *now*: *query* has held for *for_s* at every minute."""
    expr = ql.parse(query)
    holding: set[Labels] | None = None
    moments = [now - n * MINUTE for n in range(int(for_s // MINUTE) + 1)]
    for moment in moments:
        vector = evaluate(expr, series, moment)
        assert isinstance(vector, dict)
        holding = set(vector) if holding is None else holding & set(vector)
    return [dict(labels) for labels in sorted(holding or ())]
