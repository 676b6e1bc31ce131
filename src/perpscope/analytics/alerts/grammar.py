"""How an expression is written, and what is wrong with one that is not: our own parser, which knows nothing else.

`liq_usd_5m > 5M and coin == 'BTC'`: names of measures, numbers (`5e6`, `5_000_000`, `$5M`, `250k`, `1.5 %`), `+ - * /`
(`− × ÷`), `abs min max`, comparisons, `and or not`, parentheses. Length, depth and number of words are bounded. Names,
types and units are checked here, so that a rule that loads cannot fail later.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias, cast

import msgspec

from perpscope.analytics.alerts.expression import (
    Call,
    Comparator,
    Comparison,
    Logic,
    Name,
    Node,
    Not,
    Number,
    Sum,
    Text,
)

#: Letters, words, and parentheses in each other, at most.
LONGEST: Final = 500
MOST_WORDS: Final = 200
DEEPEST: Final = 30
#: What a measure is counted in; "" = a plain number, "text" = letters, "condition" = true or false.
Unit: TypeAlias = Literal["", "usd", "pct", "price", "events", "s", "text", "condition"]

_WORD: Final = re.compile(
    r"\s*(?:(?P<number>\$?(?:\d[\d_]*(?:\.\d[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d{1,3})?(?P<suffix>[kMB](?![A-Za-z_0-9])|\s?%)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<sign><=|>=|==|!=|[<>+\-*/()−×÷,≤≥≠]))"
)
_SCALE: Final = {"k": 1e3, "M": 1e6, "B": 1e9}
_SAME: Final = {"−": "-", "×": "*", "÷": "/", "≤": "<=", "≥": ">=", "≠": "!="}
_COMPARATORS: Final = frozenset({"<", "<=", ">", ">=", "==", "!="})
_FUNCTIONS: Final = {"abs": (1, 1), "min": (2, 8), "max": (2, 8)}
_RESERVED: Final = frozenset({"and", "or", "not", "in", *_FUNCTIONS})


class Mistake(ValueError):
    """An expression that means nothing: what is wrong, where, and what may have been meant."""

    def __init__(self, what: str, at: int, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.at = at  #: letters before it
        self.hint = hint


class _Word(msgspec.Struct, frozen=True):
    kind: str  #: number, name, text, sign or end
    text: str
    at: int
    value: float = 0.0
    unit: Unit = ""


_Typed: TypeAlias = tuple[Node, Unit]
_Part: TypeAlias = Callable[[], _Typed]


def parse(text: str, known: Mapping[str, Unit]) -> Node:
    """Read a condition.

    Args:
        text: as its author wrote it.
        known: name → unit of each measure it may use.

    Raises:
        Mistake: it is too long or too deep, is no condition, or names what there is not.

    >>> parse("liq_usd_5m > 5M", {"liq_usd_5m": "usd"})
    Comparison(comparator='>', left=Name(name='liq_usd_5m'), right=Number(value=5000000.0))
    """
    if len(text) > LONGEST:
        raise Mistake(f"{len(text)} letters, of {LONGEST} at most", LONGEST)
    node, unit = (parser := _Parser(_words(text), known)).condition()
    parser.end()
    if unit != "condition":
        raise Mistake("a number alone is no condition", 0, "compare it with something: `… > 5M`")
    return node


def _words(text: str) -> list[_Word]:
    found: list[_Word] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        matched = _WORD.match(text, at)
        if matched is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise Mistake(f"{text[start]!r} means nothing here", start, _meant(text[start:]))
        kind = next(name for name in ("number", "name", "text", "sign") if matched[name] is not None)
        found.append(_word(kind, matched[kind], matched.start(kind), matched["suffix"]))
        at = matched.end()
        if len(found) > MOST_WORDS:
            raise Mistake(f"more than {MOST_WORDS} words", at)
    return [*found, _Word("end", "", end)]


def _word(kind: str, text: str, at: int, suffix: str | None) -> _Word:
    if kind == "sign":
        return _Word(kind, _SAME.get(text, text), at)
    if kind != "number":
        return _Word(kind, text, at)
    bare = text.lstrip("$").removesuffix(suffix or "").replace("_", "")
    value = float(bare) * _SCALE.get(suffix or "", 1.0)
    if value > 1e300:
        raise Mistake(f"{text} is too large a number", at)
    unit: Unit = "usd" if text.startswith("$") else "pct" if (suffix or "").strip() == "%" else ""
    if unit == "usd" and suffix is not None and suffix.strip() == "%":
        raise Mistake(f"{text} is dollars and per cent at once", at)
    return _Word(kind, text, at, value, unit)


def _meant(rest: str) -> str:
    for wrong, right in (("&&", "and"), ("&", "and"), ("||", "or"), ("|", "or"), ("!", "not"), ("=", "==")):
        if rest.startswith(wrong):
            return f"did you mean `{right}`?"
    return "an expression has names, numbers, + - * /, comparisons, and, or, not, abs, min, max"


class _Parser:
    """Recursive descent, with the type of each part beside it."""

    def __init__(self, words: list[_Word], known: Mapping[str, Unit]) -> None:
        self._words = words
        self._known = known
        self._at = 0
        self._depth = 0

    def end(self) -> None:
        word = self._words[self._at]
        if word.kind != "end":
            chained = word.text in _COMPARATORS
            hint = "write `a < b and b < c`" if chained else "a part before it may be missing `and` or `or`"
            raise Mistake(f"{word.text!r} was not expected here", word.at, hint)

    def condition(self) -> _Typed:
        return self._logic("or", lambda: self._logic("and", self._negated))

    def _logic(self, name: Literal["and", "or"], part: _Part) -> _Typed:
        at = self._word.at
        found = [part()]
        while self._takes("name", name):
            found.append(part())
        if len(found) == 1:
            return found[0]
        for _, unit in found:
            self._must(unit == "condition", f"`{name}` joins conditions, and one of these is a number", at)
        return Logic(name, tuple(node for node, _ in found)), "condition"

    def _negated(self) -> _Typed:
        at = self._word.at
        if not self._takes("name", "not"):
            return self._compared()
        self._deeper(at)
        node, unit = self._negated()
        self._depth -= 1
        self._must(unit == "condition", "`not` turns a condition round, and this is a number", at)
        return Not(node), "condition"

    def _compared(self) -> _Typed:
        at = self._word.at
        left, left_unit = self._summed()
        word = self._word
        if word.text not in _COMPARATORS or word.kind != "sign":
            return left, left_unit
        self._at += 1
        right, right_unit = self._summed()
        self._comparable(word, left_unit, right_unit, at)
        is_named = isinstance(left, Text) or isinstance(right, Text) or left_unit != "text"
        self._must(is_named, "`coin` is compared with a name in quotes", at)
        return Comparison(cast("Comparator", word.text), left, right), "condition"

    def _comparable(self, word: _Word, left: Unit, right: Unit, at: int) -> None:
        if "text" in {left, right}:
            self._must(left == right, "a name in quotes can only be compared with `coin`", at)
            self._must(word.text in {"==", "!="}, f"letters are the same or not: {word.text} means nothing", word.at)
        else:
            self._alike(left, right, word)

    def _summed(self) -> _Typed:
        return self._chain(("+", "-"), lambda: self._chain(("*", "/"), self._signed))

    def _chain(self, signs: tuple[str, str], part: _Part) -> _Typed:
        left, unit = part()
        while (word := self._word).kind == "sign" and word.text in signs:
            self._at += 1
            right, right_unit = part()
            for each in (unit, right_unit):
                self._must(each not in {"text", "condition"}, f"`{word.text}` needs numbers on both sides", word.at)
            unit = self._made(word, unit, right_unit)
            left = Sum(cast("Literal['+', '-', '*', '/']", word.text), left, right)
        return left, unit

    def _made(self, word: _Word, left: Unit, right: Unit) -> Unit:
        """The unit of a sum or product; what has no name of its own is a plain number."""
        if word.text in "+-":
            self._alike(left, right, word)
            return left or right
        if not right:
            return left
        return right if word.text == "*" and not left else ""

    def _signed(self) -> _Typed:
        at = self._word.at
        if not self._takes("sign", "-"):
            return self._single()
        self._deeper(at)
        node, unit = self._signed()
        self._depth -= 1
        self._must(unit not in {"text", "condition"}, "`-` needs a number", at)
        return (Number(-node.value) if isinstance(node, Number) else Sum("-", Number(0.0), node)), unit

    def _single(self) -> _Typed:
        word = self._word
        self._at += 1
        if word.kind == "number":
            return Number(word.value), word.unit
        if word.kind == "text":
            return Text(word.text[1:-1]), "text"
        if word.kind == "sign" and word.text == "(":
            self._deeper(word.at)
            found = self.condition()
            self._expect(")")
            self._depth -= 1
            return found
        if word.kind == "name" and word.text in _FUNCTIONS:
            return self._called(word)
        if word.kind == "name" and word.text not in _RESERVED:
            return self._named(word)
        what = "it ends too early" if word.kind == "end" else f"{word.text!r} was not expected here"
        raise Mistake(what, word.at, "a name, a number or `(` belongs here")

    def _called(self, word: _Word) -> _Typed:
        self._deeper(word.at)
        self._expect("(")
        found = [self._summed()]
        while self._takes("sign", ","):
            found.append(self._summed())
        self._expect(")")
        self._depth -= 1
        least, most = _FUNCTIONS[word.text]
        takes = f"{least}" if least == most else f"{least} to {most}"
        self._must(least <= len(found) <= most, f"{word.text} takes {takes}, and has {len(found)}", word.at)
        unit: Unit = ""
        for _, each in found:
            self._must(each not in {"text", "condition"}, f"{word.text} takes numbers", word.at)
            self._alike(unit, each, word)
            unit = unit or each
        function = cast("Literal['abs', 'min', 'max']", word.text)
        return Call(function, tuple(node for node, _ in found)), unit

    def _named(self, word: _Word) -> _Typed:
        if word.text not in self._known:
            like = difflib.get_close_matches(word.text, list(self._known), n=1, cutoff=0.5)
            hint = f"did you mean {like[0]!r}?" if like else f"there are {', '.join(list(self._known)[:6])} …"
            raise Mistake(f"there is no measure {word.text[:60]!r}", word.at, hint)
        return Name(word.text), self._known[word.text]

    def _alike(self, left: Unit, right: Unit, word: _Word) -> None:
        for each in (left, right):
            self._must(each not in {"text", "condition"}, f"`{word.text}` needs numbers on both sides", word.at)
        if left and right and left != right:
            raise Mistake(f"`{word.text}` sets {left} against {right}", word.at, "both sides need one unit")

    def _deeper(self, at: int) -> None:
        self._depth += 1
        self._must(self._depth <= DEEPEST, f"more than {DEEPEST} parts within each other", at)

    def _expect(self, sign: str) -> None:
        word = self._word
        if not self._takes("sign", sign):
            raise Mistake(f"`{sign}` is missing", word.at)

    def _takes(self, kind: str, text: str) -> bool:
        word = self._word
        if word.kind == kind and word.text == text:
            self._at += 1
            return True
        return False

    def _must(self, holds: bool, what: str, at: int) -> None:
        if not holds:
            raise Mistake(what, at)

    @property
    def _word(self) -> _Word:
        return self._words[self._at]
