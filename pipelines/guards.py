"""Rules that no check of one row can say, as triggers: what has ended, or was told, stays.

- A run that has ended never changes again.
- Nothing is added to it either: what it read, made and scored.
- What was told once is never changed: artifacts, templates, backbones, datasets, draws, prompts,
  links, edges, scores, promotions.

They belong to the newest schema only. Every migration begins without them, since SQLite loses the
triggers of a table that it copies, and refuses to rename one that a trigger of another names; who
has reached the newest schema gets them all. So a change here needs a migration, if an empty one:
else databases would not notice.
"""

from collections.abc import Container
from dataclasses import dataclass

from sqlalchemy import Connection, text

OF_A_RUN = ("run_dataset", "run_prompt", "edge", "score")
TOLD = (*OF_A_RUN, "artifact", "template", "backbone", "dataset", "draw", "prompt", "promotion")

FROZEN = "what lineage was told is never changed"
ENDED = "a run that has ended never changes again"

FUNCTIONS = {
    "guard_told": f"BEGIN RAISE integrity_constraint_violation USING MESSAGE = '{FROZEN}'; END",
    "guard_ended": f"BEGIN RAISE integrity_constraint_violation USING MESSAGE = '{ENDED}'; END",
    "guard_added": (
        "BEGIN IF (SELECT status FROM run WHERE id = NEW.run_id) <> 'running' THEN "
        f"RAISE integrity_constraint_violation USING MESSAGE = '{ENDED}'; END IF; RETURN NEW; END"
    ),
}
"""Of PostgreSQL, whose triggers call one."""


def create(connection: Connection) -> None:
    """Let the database hold these rules; its tables must be the newest ones."""
    on_sqlite = connection.dialect.name == "sqlite"
    for statement in _on_sqlite() if on_sqlite else _on_postgresql():
        connection.execute(text(statement))


def drop(connection: Connection) -> None:
    """Take them away, where there are any."""
    if connection.dialect.name == "sqlite":
        theirs = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard_%'"
        for name in connection.scalars(text(theirs)).all():
            connection.execute(text(f'DROP TRIGGER "{name}"'))
        return
    for name in FUNCTIONS:
        connection.execute(text(f"DROP FUNCTION IF EXISTS {name} CASCADE"))


@dataclass(frozen=True)
class State:
    """How the triggers of our tables differ from those that there should be, by their names."""

    missing: list[str]
    """Ours that are not there, are switched off, or do something else."""
    foreign: list[str]


def state(connection: Connection, tables: Container[str]) -> State:
    """Return how the triggers on these tables are; they must be the newest ones."""
    on_sqlite = connection.dialect.name == "sqlite"
    wanted = _wanted_on_sqlite() if on_sqlite else _wanted_on_postgresql()
    rows = connection.execute(text(ON_SQLITE if on_sqlite else ON_POSTGRESQL))
    found = {name: does for name, table, does in rows if table in tables}
    missing = [name for name, does in wanted.items() if found.get(name) != does]
    return State(missing, sorted(found.keys() - wanted.keys()))


ON_SQLITE = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'"
ON_POSTGRESQL = """
    SELECT tgname, relname, concat_ws(' ', CASE tgenabled WHEN 'D' THEN 'off' END, relname, prosrc)
    FROM pg_trigger
    JOIN pg_class ON pg_class.oid = tgrelid
    JOIN pg_proc ON pg_proc.oid = tgfoid
    WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace
"""


def _wanted_on_sqlite() -> dict[str, str]:
    made = zip(_triggers(), _on_sqlite(), strict=True)
    return {name: statement for (name, *_), statement in made}


def _wanted_on_postgresql() -> dict[str, str]:
    return {
        name: f"{event.partition(' ON ')[2]} {FUNCTIONS[function]}"
        for name, event, _, function in _triggers()
    }


def _triggers() -> list[tuple[str, str, str, str]]:
    """Return (name, event on table, when, function) of each."""
    told = [(f"guard_told_{one}", f"UPDATE ON {one}", "", "guard_told") for one in TOLD]
    added = [(f"guard_added_{one}", f"INSERT ON {one}", "", "guard_added") for one in OF_A_RUN]
    ended = ("guard_ended_run", "UPDATE ON run", "OLD.status <> 'running'", "guard_ended")
    return [*told, *added, ended]


def _on_sqlite() -> list[str]:
    open_ = "(SELECT status FROM run WHERE id = NEW.run_id) <> 'running'"
    refusals = {
        "guard_told": f"SELECT RAISE(ABORT, '{FROZEN}')",
        "guard_ended": f"SELECT RAISE(ABORT, '{ENDED}')",
        "guard_added": f"SELECT RAISE(ABORT, '{ENDED}') WHERE {open_}",
    }
    return [
        f"CREATE TRIGGER {name} BEFORE {event} {'WHEN ' * bool(when)}{when} "
        f"BEGIN {refusals[function]}; END"
        for name, event, when, function in _triggers()
    ]


def _on_postgresql() -> list[str]:
    functions = [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"
        for name, body in FUNCTIONS.items()
    ]
    triggers = [
        f"CREATE TRIGGER {name} BEFORE {event} FOR EACH ROW {f'WHEN ({when}) ' * bool(when)}"
        f"EXECUTE FUNCTION {function}()"
        for name, event, when, function in _triggers()
    ]
    return [*functions, *triggers]
