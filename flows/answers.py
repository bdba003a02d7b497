"""Answers of lineage on stdout: as a table, as JSON, as CSV; or the SQL that asks for them."""

import csv
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flows.options import Common, print_json
from pipelines.statements import Answer, Question, switched_off


class TwoForms(ValueError):
    """An answer is asked for in several forms at once."""

    def __init__(self, flags: Sequence[str]) -> None:
        super().__init__(
            f"{' and '.join(flags)} are given: stdout holds one of them, leave one out"
        )


@dataclass(frozen=True)
class Form:
    """In which form to answer.

    Parameters
    ----------
    csv
        Print CSV on stdout, with a header line.
    sql
        Print the SQL statement, to paste into sqlite3 or psql, instead of its answer.
    """

    csv: bool = False
    sql: bool = False

    def check(self, common: Common) -> None:
        """Refuse two forms at once.

        Raises:
            TwoForms: there are.
        """
        chosen = {"--json": common.json, "--csv": self.csv, "--sql": self.sql}
        flags = [flag for flag, given in chosen.items() if given]
        if len(flags) > 1:
            raise TwoForms(flags)


def show(question: Question, form: Form, common: Common, table: Callable[[Answer], None]) -> None:
    """Print a question's answer as it is wanted; `table` prints it for people."""
    try:
        if form.sql:
            sys.stdout.write(bound(question))
            return
        answer = question.answer()
        if common.json:
            print_json(answer.records())
        elif form.csv:
            write = csv.writer(sys.stdout, lineterminator="\n").writerow
            write(answer.columns)
            for row in answer.rows:
                write(row)
        else:
            table(answer)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough: `... --csv | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def bound(question: Question) -> str:
    """Return the statement, after the commands of sqlite3 or of psql that give it its values.

    The values are ids, numbers and moments: none comes from a user as it is.
    """
    dialect = question.database.dialect
    lines = [f"SET {one} = off;\n" for one in switched_off(dialect, question.name)]
    lines += [_binding(name, value, dialect) for name, value in question.binds.items()]
    return "".join(lines) + question.sql


def _binding(name: str, value: str | int, dialect: str) -> str:
    literal = f"'{value}'" if isinstance(value, str) else str(value)
    if dialect == "sqlite":
        return f'.parameter set :{name} "{literal}"\n'
    quoted = literal.replace("'", "''")
    return f"\\set {name} '{quoted}'\n"
