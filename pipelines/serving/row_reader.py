"""What rows ask, of which prompt; all of them are looked at before any is answered."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipelines.serving.naming import PROMPT, Names, UnknownName
from pipelines.serving.parts import Part
from tasks import Row
from tasks.own.files import is_text
from tasks.rows import BadCell
from tasks.unlabelled import ask


class BadRows(ValueError):
    """Rows cannot be answered; then none of them is."""

    def __init__(self, problem: object, row: int = 0) -> None:
        super().__init__(f"row {row}: {problem}" if row else str(problem))


class Question(NamedTuple):
    """What a row asks."""

    part: int
    text: str


class RowReader:
    """Reads rows for the parts of some prompts.

    Args:
        parts: what can be asked.
        named: whether a row's column `prompt` says which part; a lone one needs none.
    """

    def __init__(self, parts: Sequence[Part], named: bool) -> None:
        self.parts, self.named = parts, named
        self.names = Names([(one.prompt, one.task.name) for one in parts])

    def read(self, rows: Iterable[tuple[int, Row]]) -> list[Question]:
        """Return what rows ask, each given with its number.

        Raises:
            BadRows: there are none, or one of them cannot be answered.
        """
        found = [self._question(row, number) for number, row in rows]
        if not found:
            columns = dict.fromkeys(name for part in self.parts for name in part.columns)
            raise BadRows(
                f"there are no rows with columns that are read here: {', '.join(columns)}"
            )
        return found

    def _question(self, row: Row, number: int) -> Question:
        place = self._place(row, number)
        part = self.parts[place]
        if lacking := [name for name in part.columns if name not in row]:
            has = ", ".join(map(str, row)) or "none"
            needs = f"it has no column {', '.join(lacking)}; {part.task.name!r} needs it"
            raise BadRows(f"{needs} (it has {has})", number)
        try:
            text = ask(part.task, row)
        except BadCell as error:
            raise BadRows(error, number) from None
        if not is_text(text):
            raise BadRows("it holds half characters, which no tokenizer takes", number)
        return Question(place, text)

    def _place(self, row: Row, number: int) -> int:
        named = row.get(PROMPT) if self.named else None
        if named in (None, ""):
            if len(self.parts) == 1:
                return 0
            names = ", ".join(self.names.shortest())
            raise BadRows(f"which prompt? Give a column {PROMPT!r} with one of {names}", number)
        try:
            return self.names.place(str(named))
        except UnknownName as error:
            raise BadRows(error, number) from None
