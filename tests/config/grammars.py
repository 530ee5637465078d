"""LogQL and TraceQL as far as the dashboards use them: our own grammars, stricter than the languages.

The real Loki and Tempo judge the queries wherever their executables are at hand; these grammars judge them
everywhere. What they do not know they refuse, so a new construct in a dashboard wants a line here.
"""

from __future__ import annotations

from functools import cache

from lark import Lark, UnexpectedInput

TERMINALS = r"""
    NUMBER: /\d+(\.\d+)?/
    DURATION.2: /(\d+(ms|s|m|h|d))+/
    STRING: /"([^"\\\n]|\\.)*"/ | /`[^`]*`/
    NAME: /[A-Za-z_]\w*/
    %import common.WS
    %ignore WS
"""

LOGQL = r"""
    start: log | metric

    log: selector stage*
    selector: "{" matcher ("," matcher)* "}"
    matcher: NAME MATCH STRING
    MATCH: "=~" | "!~" | "!=" | "="

    stage: FILTER STRING | "|" (parser | tests | change)
    FILTER.2: "|=" | "|~" | "!=" | "!~"
    parser: "json" params? | "logfmt" params? | "unpack" | "decolorize" | ("pattern" | "regexp") STRING
    params: NAME "=" STRING ("," NAME "=" STRING)*
    change: "line_format" STRING | "unwrap" NAME | ("keep" | "drop") NAME ("," NAME)*
    tests: test (("and" | "or") test)*
    test: NAME COMPARE (STRING | NUMBER | DURATION) | "(" tests ")"
    COMPARE: "=~" | "!~" | "!=" | "==" | ">=" | "<=" | "=" | ">" | "<"

    metric: term (OPERATOR term)*
    OPERATOR: "+" | "-" | "*" | "/" | "or"
    term: NUMBER | "(" metric ")" | ranged | aggregated
    ranged: OVER "(" log "[" DURATION "]" ")" | OVER_VALUES "(" [NUMBER ","] log "[" DURATION "]" ")" grouping?
    OVER: "rate" | "count_over_time" | "bytes_rate" | "bytes_over_time" | "absent_over_time"
    OVER_VALUES: "quantile_over_time" | "avg_over_time" | "max_over_time" | "min_over_time" | "sum_over_time"
    aggregated: PLAIN grouping? "(" metric ")" grouping? | RANKED grouping? "(" NUMBER "," metric ")"
    PLAIN: "sum" | "avg" | "min" | "max" | "count"
    RANKED: "topk" | "bottomk"
    grouping: ("by" | "without") "(" NAME ("," NAME)* ")"
"""

TRACEQL = r"""
    start: spansets ("|" stage)*
    spansets: spanset (JOIN spanset)*
    JOIN: "&&" | "||" | ">>" | ">"
    spanset: "{" conditions? "}" | "(" spansets ")"
    conditions: condition (("&&" | "||") condition)*
    condition: field COMPARE value | "(" conditions ")"
    COMPARE: "=~" | "!~" | "!=" | ">=" | "<=" | "=" | ">" | "<"
    field: INTRINSIC | SCOPE "." NAME ("." NAME)*
    INTRINSIC.2: "duration" | "kind" | "name" | "rootName" | "rootServiceName" | "status" | "traceDuration"
    SCOPE.2: "resource" | "span"
    value: STRING | NUMBER | DURATION | CONSTANT
    CONSTANT.2: "error" | "ok" | "unset" | "client" | "server" | "nil" | "true" | "false"
    stage: "select" "(" field ("," field)* ")" | "count" "(" ")" COMPARE NUMBER
"""


@cache
def _parser(language: str) -> Lark:
    return Lark({"logql": LOGQL, "traceql": TRACEQL}[language] + TERMINALS, parser="earley")


def fault(language: str, expression: str) -> str | None:
    """What is wrong with a query, by our own grammar; None if nothing is."""
    try:
        _parser(language).parse(expression)
    except UnexpectedInput as error:
        return f"{expression}: {error}"
    return None
