"""The table of edges: what came of which prompt, and how. Whoever asks for descent walks it."""

from sqlalchemy import Column, ForeignKey, String, Table

from pipelines.columns import metadata, one_of
from pipelines.contents import artifacts
from pipelines.tables import prompts, runs

EDGE_OF = {
    "teacher": "distilled_from",
    "source": "adapted_from",
    "front": "context_of",
    "evaluated": "evaluated_by",
    "exported": "exported_as",
}
"""The role of an edge, by what the parent was to the run (`run_prompt.role`)."""

edges = Table(
    "edge",
    metadata,
    Column("child_sha", ForeignKey(artifacts.c.sha), primary_key=True),
    Column("parent_sha", ForeignKey(prompts.c.sha), primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("run_id", ForeignKey(runs.c.id), primary_key=True),
    one_of("role", *EDGE_OF.values()),
)
"""A completed run made `child_sha` of the prompt `parent_sha`.

| role           | the child is                      | the parent is            |
|----------------|-----------------------------------|--------------------------|
| distilled_from | a source prompt                   | a teacher of it          |
| adapted_from   | a target's prompt, or a group's   | the prompt it began with |
| context_of     | a context prompt                  | the prompt in front      |
| evaluated_by   | predictions                       | the prompt that answered |
| exported_as    | an adapter                        | the prompt in it         |

It repeats what `run_prompt` and `score` say, so that descent is a walk over one table.
"""
