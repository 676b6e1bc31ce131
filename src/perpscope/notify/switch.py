"""What chats may do to trading: let the mode fall, or pull the kill switch; each asked twice, and never more.

In: `/pause`, `/halt`, and presses of the buttons that were answered with. Out: the mode file of the store, a line in
the journals of its traders, and the words for the chat. Nothing here lets a mode rise or lifts a halt: that is done on
the host.
"""

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from perpscope.app import trading_mode
from perpscope.app.trade.arming import write_act
from perpscope.app.trading_mode import Mode
from perpscope.errors import PerpscopeError, StoreError
from perpscope.model.run import RunKind
from perpscope.notify.figures import safe
from perpscope.notify.phrases import Language, phrase
from perpscope.notify.queue import Buttons
from perpscope.settings import Trade

PAUSE, HALT, NO = "pause", "halt", "no"
#: Real seconds within which a question is to be answered.
_ANSWER_WITHIN_S: Final = 60.0
_MOST_WHY: Final = 200
_YES: Final = frozenset({"yes", "네", "예"})


class Switch:
    """Stops trading, from a chat.

    Args:
        database: the store whose traders are stopped.
        trade: `[trade]`.
        language: of the answers.
        wall_s: real time, epoch seconds.
    """

    def __init__(self, database: Path, trade: Trade, language: Language, wall_s: Callable[[], float]) -> None:
        self._database = database
        self._trade = trade
        self._language = language
        self._wall_s = wall_s
        self._asked: dict[int, tuple[str, str, float]] = {}  # chat → what, its number, when

    def command(self, chat: int, who: str, name: str, words: Sequence[str]) -> tuple[str, Buttons]:
        """Ask back, or do it where the yes was typed with it.

        Args:
            chat: that said it.
            who: in words, for the record.
            name: "pause" or "halt".
            words: after it.

        Returns:
            HTML, and the buttons below it.
        """
        if words and words[0].lower() in _YES:
            return self._done(name, who, " ".join(words[1:])), []
        number = secrets.token_hex(4)
        self._asked[chat] = name, number, self._wall_s()
        question = phrase(self._language, f"ask {name}")
        other = phrase(self._language, "or type", command=f"/{name}")
        press = {"text": phrase(self._language, f"press {name}"), "callback_data": f"{name}:{number}"}
        leave = {"text": phrase(self._language, "press no"), "callback_data": f"{NO}:{number}"}
        return f"{question}\n{other}", [[press, leave]]

    def pressed(self, chat: int, who: str, verb: str, number: str) -> str:
        """A button: HTML of the answer. One that is not of the chat's last question, or too late, does nothing."""
        name, asked, at_s = self._asked.pop(chat, ("", "", 0.0))
        if number != asked or self._wall_s() - at_s > _ANSWER_WITHIN_S or verb not in {name, NO}:
            return phrase(self._language, "too late")
        return phrase(self._language, "left as it is") if verb == NO else self._done(name, who, "")

    def _done(self, name: str, who: str, why: str) -> str:
        now_ms = round(self._wall_s() * 1e3)
        why = "".join(letter for letter in why if letter.isprintable())[:_MOST_WHY] or f"by {who}"
        try:
            if name == PAUSE:
                state = trading_mode.lowered(self._database, Mode.OBSERVE, who=who, now_ms=now_ms, trade=self._trade)
                words = phrase(self._language, "paused", mode=state.mode.word)
            else:
                state = trading_mode.halted(self._database, who=who, why=why, now_ms=now_ms, trade=self._trade)
                words = phrase(self._language, "halting", why=safe(state.halted))
        except PerpscopeError as error:
            return phrase(self._language, "trouble", code=error.code, why=safe(error.message))
        return "\n".join([words, *self._write_down(name, who, why, now_ms)])

    def _write_down(self, name: str, who: str, why: str, now_ms: int) -> list[str]:
        """It is done, whether or not a journal takes it."""
        lines = []
        for kind in (RunKind.LIVE, RunKind.PAPER):
            try:
                write_act(self._database, kind, who=who, what=name, why=why, now_ms=now_ms)
            except StoreError as error:
                lines.append(phrase(self._language, "trouble", code=error.code, why=safe(error.message)))
        return lines
