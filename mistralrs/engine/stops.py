"""Finds stop strings in text that arrives in pieces, without ever showing a part of one."""

from __future__ import annotations

from collections.abc import Sequence


class _Pattern:
    """Follows how much of one stop string the text ends with (Knuth, Morris, Pratt).

    The failure table is built only as far as the text has matched, so a long stop string costs nothing in advance.
    """

    __slots__ = ("_borders", "matched", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.matched = 0
        self._borders = [0, 0]  # of each prefix: the longest proper prefix that is also its suffix

    def push(self, char: str) -> bool:
        """Go on by one character; True when the stop string is complete."""
        text, matched = self.text, self.matched
        while matched and text[matched] != char:
            matched = self._borders[matched]
        if text[matched] == char:
            matched += 1
            if matched == len(self._borders):
                self._extend()
        self.matched = matched
        return matched == len(text)

    def _extend(self) -> None:
        text, borders = self.text, self._borders
        length = len(borders)
        border = borders[-1]
        while border and text[border] != text[length - 1]:
            border = borders[border]
        borders.append(border + (text[border] == text[length - 1]))


class StopMatcher:
    """Passes text through until the first stop string completes.

    Text that may still turn out to be the beginning of a stop is held back. The stop that completes first ends the
    text; of several that complete with the same character, the longest. So the result does not depend on how the
    text was cut into pieces.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._patterns = [_Pattern(stop) for stop in stops]
        self._first = frozenset(stop[0] for stop in stops)
        self._held = ""
        self.stop: str | None = None

    def push(self, text: str) -> str:
        """Take more text, return what is certain now. After a stop was found, always empty."""
        if self.stop is not None:
            return ""
        if not self._held and self._first.isdisjoint(text):
            return text
        held = self._held + text
        for index, char in enumerate(text, start=len(self._held) + 1):
            complete = [pattern.text for pattern in self._patterns if pattern.push(char)]
            if complete:
                self.stop = max(complete, key=len)
                self._held = ""
                return held[: index - len(self.stop)]
        keep = max(pattern.matched for pattern in self._patterns)
        certain = len(held) - keep
        self._held = held[certain:]
        return held[:certain]

    def flush(self) -> str:
        """The end of the text: what was held back, since no stop will complete any more."""
        held, self._held = self._held, ""
        return held
