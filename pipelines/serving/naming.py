"""How a row says which of a server's prompts is to answer it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.ids import SHORTEST

PROMPT = "prompt"
"""The column that names a prompt."""


class UnknownName(LookupError):
    """No prompt of a server is called so, or several are."""

    def __init__(self, named: str, has: Sequence[str], several: bool) -> None:
        problem = "is the name of several prompts" if several else "is no prompt here"
        super().__init__(f"{named[:70]!r} {problem}: give one of {', '.join(has)}")


class PromptColumn(ValueError):
    """Among several prompts, one reads a column that is to name the prompt."""

    def __init__(self, task: str) -> None:
        super().__init__(
            f"the task {task!r} reads a column {PROMPT!r}, by which a row says which prompt "
            "answers it where there are several: serve it alone"
        )


@dataclass(frozen=True)
class Names:
    """What the parts of a server's prompts are called.

    A part is called by its task, if no other part is of this task; by its prompt's digest, or 6 or
    more first digits of it, if the prompt has no other part; and always by DIGEST/TASK.
    """

    parts: Sequence[tuple[str, str]]
    """The digest and the task of each."""

    def shortest(self) -> list[str]:
        """Return the shortest name of each part."""
        shas, tasks = ([part[at] for part in self.parts] for at in (0, 1))

        def name(sha: str, task: str) -> str:
            if tasks.count(task) == 1:
                return task
            return sha[:12] if shas.count(sha) == 1 else f"{sha[:12]}/{task}"

        return [name(*part) for part in self.parts]

    def place(self, named: str) -> int:
        """Return the place of the part that is called so.

        Raises:
            UnknownName: there is none, or there are several.
        """
        digits, _, of = named.partition("/")
        found = [at for at, (_, task) in enumerate(self.parts) if task == named]
        if not found and len(digits) >= SHORTEST:
            found = [
                at
                for at, (sha, task) in enumerate(self.parts)
                if sha.startswith(digits) and of in ("", task)
            ]
        if len(found) != 1:
            raise UnknownName(named, self.shortest(), several=bool(found))
        return found[0]
