import json
import random
import time
from itertools import pairwise

import pytest
from sqlalchemy import insert, update

from pipelines.ancestry import ancestors, to_json
from pipelines.columns import now
from pipelines.contents import artifacts
from pipelines.edges import edges as edge_table
from pipelines.lookup import UnknownId
from pipelines.records import MULTITASK
from pipelines.tables import backbones, prompts, run_prompts, runs


@pytest.fixture
def family(lineage, world):
    """Two teachers, the source prompt distilled from them, and a target with a test score."""
    teachers = [world.sha("t-rte"), world.sha("t-cb")]
    world.train(lineage, "rte", "t-rte", 60.0, stage="teach")
    world.train(lineage, "cb", "t-cb", 61.0, stage="teach")
    world.train(lineage, MULTITASK, "source", 62.0, stage="learn", reads={"teacher": teachers})
    reads = {"source": [world.sha("source")]}
    run = world.train(lineage, "boolq", "target", 63.0, reads=reads)
    test = world.evaluate(lineage, "boolq", world.sha("target"), 59.5)
    return run, test


def below(node, kind):
    return [child for child in node.children if child.type == kind]


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


def test_a_target_leads_to_its_source_its_teachers_and_their_data(lineage, world, family):
    target = lineage.ancestry(world.sha("target"))

    assert (target.type, target.title) == ("prompt", "target prompt for boolq")
    assert dict(target.facts)["validation accuracy"] == "63.00 (n=40)"
    assert dict(target.facts)["test accuracy"] == "59.50 (n=40)"
    assert [one.title for one in below(target, "backbone")] == ["backbone nano-t5"]
    (adapt,) = below(target, "run")
    assert (adapt.id, adapt.title, adapt.role) == (family[0].id, "adapt boolq", "made by")
    assert [(d.role, d.title) for d in below(adapt, "dataset")] == [
        ("train", "boolq (train)"), ("validation", "boolq (validation)"),
    ]  # fmt: skip
    (source,) = below(adapt, "prompt")
    assert (source.role, source.id) == ("source", world.sha("source"))
    (learn,) = below(source, "run")
    teachers = below(learn, "prompt")
    assert {(one.role, one.title) for one in teachers} == {
        ("teacher", "teacher prompt for rte"), ("teacher", "teacher prompt for cb"),
    }  # fmt: skip
    assert [run.title for one in teachers for run in below(one, "run")] == [
        f"teach {one.title.split()[-1]}" for one in teachers
    ]


def test_a_run_leads_to_what_it_read_also_an_evaluation(lineage, world, family):
    _, test = family
    root = lineage.ancestry(test.id[:12])

    assert (root.type, root.title) == ("run", "evaluate boolq")
    assert [(p.role, p.id) for p in below(root, "prompt")] == [("evaluated", world.sha("target"))]
    assert world.sha("t-cb") in {node.id for node in walk(root)}


def test_the_tree_is_plain_json(lineage, world, family):
    root = lineage.ancestry(world.sha("target")[:8])
    read = json.loads(json.dumps(to_json(root)))

    assert read["id"] == world.sha("target")
    assert read["facts"]["validation accuracy"] == "63.00 (n=40)"
    assert read["children"][0]["children"][-1]["title"] == "source prompt for multitask"


def test_what_two_branches_share_is_told_once(lineage, world):
    world.train(lineage, "rte", "t", 60.0, stage="teach")
    for name in ("left", "right"):
        reads = {"source": [world.sha("t")]}
        world.train(lineage, "rte", name, 61.0, reads=reads)
    both = {"teacher": [world.sha("left"), world.sha("right")]}
    world.train(lineage, MULTITASK, "child", 62.0, stage="learn", reads=both)

    shared = [n for n in walk(lineage.ancestry(world.sha("child"))) if n.id == world.sha("t")]
    assert [(bool(n.children), n.repeated) for n in shared] == [(True, False), (False, True)]


def test_an_unknown_or_ambiguous_id_is_told_so(lineage, world):
    world.train(lineage, "rte", "abcdef01" + "0" * 56, 50.0)
    world.train(lineage, "cb", "abcdef02" + "0" * 56, 50.0)

    with pytest.raises(UnknownId, match="several"):
        lineage.ancestry("abcdef")
    with pytest.raises(UnknownId, match="no prompt or run has the id '123456'"):
        lineage.ancestry("123456")


def link(lineage, edges):
    """Write the prompts and runs of `edges` [(child, parent)] as they are, cycles and all."""
    names = sorted({name for edge in edges for name in edge})
    with lineage.database.writing() as connection:
        connection.execute(insert(backbones), BACKBONE)
        made = [{"sha": key(name), "kind": "prompt"} for name in names]
        connection.execute(insert(artifacts), made)
        connection.execute(insert(prompts), [PROMPT | {"sha": key(name)} for name in names])
        connection.execute(insert(runs), [
            RUN | {"id": f"{name:032x}", "request_sha": key(name), "started_at": now()}
            for name in names])  # fmt: skip
        connection.execute(insert(run_prompts), [
            {"run_id": f"{name:032x}", "prompt_sha": key(name), "role": "made"} for name in names
        ] + [{"run_id": f"{child:032x}", "prompt_sha": key(parent), "role": "source"}
             for child, parent in edges])  # fmt: skip
        connection.execute(insert(edge_table), [
            {"run_id": f"{child:032x}", "child_sha": key(child), "parent_sha": key(parent),
             "role": "adapted_from"} for child, parent in edges])  # fmt: skip
        connection.execute(update(runs).values(status="completed", ended_at=now()))


def key(number):
    return f"{number:064x}"


BACKBONE = {"sha": "b" * 64, "name": "b", "hidden_size": 1, "num_layers": 1, "num_heads": 1,
            "parameters": 1}  # fmt: skip
PROMPT = {"kind": "target", "task": "rte", "tasks": [], "backbone_sha": "b" * 64, "num_tokens": 1,
          "hidden_size": 1, "bytes": 1}  # fmt: skip
RUN = {"stage": "adapt", "status": "running", "attempt": 1, "spec": {}, "seed": 0, "task": "rte",
       "environment": {}}  # fmt: skip


def test_a_cycle_ends(lineage):
    link(lineage, [(1, 2), (2, 3), (3, 1)])

    tree = lineage.ancestry(key(1))
    assert [node.id for node in walk(tree) if node.repeated] == [key(1)]


def test_a_wide_and_deep_mesh_is_answered_at_once(lineage):
    layers = [[3 * depth + i for i in range(3)] for depth in range(20)]
    link(lineage, [(c, p) for up, down in pairwise(layers)
                   for c in up for p in down])  # fmt: skip

    began = time.monotonic()
    with lineage.database.reading() as connection:
        found = ancestors(connection, [key(0)])
    assert time.monotonic() - began < 2  # 3^20 paths take for ever
    assert len(found) == 1 + 19 * 3


@pytest.mark.parametrize("seed", range(3))
def test_ancestors_are_those_of_a_slow_search(lineage, seed):
    draw = random.Random(seed)
    edges = {(c, draw.randrange(c)) for c in range(1, 30) for _ in range(draw.randrange(3))}
    edges |= {(1, 0), (29, 7)}
    link(lineage, sorted(edges))

    depth, border, generation = {}, {29}, 0
    while border:
        depth |= {node: generation for node in border if node not in depth}
        border = {p for c, p in edges if c in border and p not in depth}
        generation += 1
    with lineage.database.reading() as connection:
        found = ancestors(connection, [key(29)])
    assert found == {key(node): value for node, value in depth.items()}
