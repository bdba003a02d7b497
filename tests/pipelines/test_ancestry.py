"""What something was made from, and what came of it: trees, and walks of any shape."""

import random
import time
from itertools import pairwise

import networkx
import pytest
from sqlalchemy import insert, update

from pipelines.columns import now
from pipelines.contents import artifacts
from pipelines.edges import edges as edge_table
from pipelines.ids import UnknownId
from pipelines.questions import ancestry, descent
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
    assert {"5 tokens", "validation accuracy 63.00 (n=40)"} < set(target.facts)
    assert "test accuracy 59.50 (n=40)" in target.facts
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
    with pytest.raises(UnknownId, match=r"no prompt, run, dataset, .* has the id '123456'"):
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


def reached(question):
    """Return the generation of each prompt of an answer, but for what was asked for."""
    found = {}
    for one in question.answer().records():
        if one["type"] == "prompt" and one["role"] != "asked for":
            found.setdefault(one["id"], one["generation"])  # the nearest comes first
    return found


def oracle(edges, start, down=False):
    """Search [(child, parent)] in breadth; the generation of each node that is reached."""
    graph = networkx.DiGraph(edges)
    if down:
        graph = graph.reverse()
    found = networkx.single_source_shortest_path_length(graph, start, cutoff=64)
    return {key(node): generation for node, generation in found.items() if node != start}


MESH = [[3 * depth + i for i in range(3)] for depth in range(20)]
SHAPES = {
    "a chain of 12": ([(n, n + 1) for n in range(12)], 0, 12),
    "a chain that is cut at 64": ([(n, n + 1) for n in range(80)], 0, 80),
    "a diamond": ([(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (0, 4)], 0, 4),
    "a mesh": ([(c, p) for up, down in pairwise(MESH) for c in up for p in down], 0, 59),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_walk_finds_what_a_slow_search_finds_and_nothing_else(lineage, shape):
    edges, youngest, oldest = SHAPES[shape]
    link(lineage, [*edges, (900, 901), (901, 902)])  # others, that must not appear
    began = time.monotonic()
    up = reached(ancestry(lineage.database, key(youngest)))
    down = reached(descent(lineage.database, key(oldest)))
    assert time.monotonic() - began < 2  # 3^20 paths take for ever
    assert up == oracle(edges, youngest)
    assert down == oracle(edges, oldest, down=True)
    assert max(up.values()) <= 64


@pytest.mark.parametrize("seed", range(3))
def test_any_graph_is_walked_as_a_slow_search_walks_it(lineage, seed):
    draw = random.Random(seed)
    edges = {(c, draw.randrange(c)) for c in range(1, 30) for _ in range(draw.randrange(3))}
    edges = sorted(edges | {(1, 0), (29, 7), (7, 0)})
    link(lineage, edges)
    for start in (29, 12, 7, 0):
        if any(start in edge for edge in edges):
            assert reached(ancestry(lineage.database, key(start))) == oracle(edges, start)
            assert reached(descent(lineage.database, key(start))) == oracle(edges, start, True)


def test_every_run_of_a_walk_is_told_with_what_it_read(lineage):
    edges = [(0, 1), (0, 2), (1, 3), (2, 3)]
    link(lineage, edges)
    up = ancestry(lineage.database, key(0)).answer().records()
    assert {(one["id"], one["of_id"]) for one in up if one["role"] == "made by"} == {
        (f"{name:032x}", key(name)) for name in range(4)
    }
    assert {(one["of_id"], one["id"]) for one in up if one["role"] == "source"} == {
        (f"{child:032x}", key(parent)) for child, parent in edges
    }
    down = descent(lineage.database, key(3)).answer().records()
    assert {(one["id"], one["of_id"]) for one in down if one["role"] == "source"} == {
        (f"{child:032x}", key(parent)) for child, parent in edges
    }


# Whatever has an id


@pytest.fixture
def drawn(lineage, world):
    """A target trained on a few drawn examples, after a first try; tested and exported."""
    few = world.drawn("rte") | {"validation": [world.dataset("rte", "validation")]}
    teacher = world.train(lineage, "cb", "t-cb", 50.0, stage="teach")
    asked = world.request("adapt", "rte", "few", {"source": [world.sha("t-cb")]}, datasets=few)
    with pytest.raises(MemoryError):
        world.fail(lineage, asked, MemoryError("none left"))
    with lineage.record(asked) as run:
        run.prompt = world.prompt("target")
        run.resumed_sha = world.sha("checkpoint")
        run.scores.append(world.score("rte", 60.0))
    tested = world.evaluate(lineage, "rte", run.prompt.sha, 70.0, predictions_sha=world.sha("said"))
    exported = {"exported": [run.prompt.sha]}
    with lineage.record(world.request("export", "rte", "out", exported)) as export:
        export.adapter_sha = world.sha("adapter")
    other = world.request("baseline", "rte", "lora")
    with lineage.record(other) as baseline:
        score = world.score("rte", 40.0, "test", method="lora", predictions_sha=world.sha("lora"))
        baseline.scores.append(score)
    return {"teacher": teacher, "run": run, "tested": tested, "export": export, "lora": baseline}


def told(question):
    """Return (type, id, role, of_id) of each link but the first, without the scores."""
    found = question.answer().records()
    kept = [one for one in found if one["type"] != "score" and one["of_id"]]
    return {tuple(one[name] for name in ("type", "id", "role", "of_id")) for one in kept}


def test_data_leads_to_what_it_was_drawn_from_and_to_its_template(lineage, world, drawn):
    few, whole = world.sha("rte few"), world.sha("rte train ")
    template = world.drawn("rte")["train"][0].draw.of.template.sha
    assert told(ancestry(lineage.database, few)) == {
        ("dataset", whole, "drawn from", few), ("template", template, "rendered by", whole),
    }  # fmt: skip
    assert told(ancestry(lineage.database, template)) == set()
    links = told(descent(lineage.database, template))
    assert ("dataset", whole, "rendered", template) in links
    assert links > told(descent(lineage.database, few)) > {
        ("run", drawn["run"].id, "train", few),
        ("prompt", world.sha("target"), "made", drawn["run"].id),
        ("run", drawn["tested"].id, "evaluated", world.sha("target")),
        ("predictions", world.sha("said"), "answered", drawn["tested"].id),
        ("run", drawn["export"].id, "exported", world.sha("target")),
        ("adapter", world.sha("adapter"), "exported", drawn["export"].id),
    }  # fmt: skip
    assert world.sha("t-cb") not in repr(links)


def test_an_adapter_and_predictions_lead_to_the_prompt_and_all_behind_it(lineage, world, drawn):
    for name, run, role in (("adapter", "export", "exported"), ("said", "tested", "evaluated")):
        links = told(ancestry(lineage.database, world.sha(name)))
        assert {
            ("run", drawn[run].id, "made by", world.sha(name)),
            ("prompt", world.sha("target"), role, drawn[run].id),
            ("run", drawn["run"].id, "made by", world.sha("target")),
            ("prompt", world.sha("t-cb"), "source", drawn["run"].id),
            ("dataset", world.sha("rte few"), "train", drawn["run"].id),
            ("checkpoint", world.sha("checkpoint"), "resumed from", drawn["run"].id),
        } < links
        assert told(descent(lineage.database, world.sha(name))) == set()


def test_predictions_of_no_prompt_lead_to_their_run_and_its_backbone(lineage, world, drawn):
    run, backbone = drawn["lora"].id, world.sha("nano")
    links = told(ancestry(lineage.database, world.sha("lora")))
    assert ("run", run, "made by", world.sha("lora")) in links
    assert ("backbone", backbone, "on", run) in links
    assert "prompt" not in {kind for kind, *_ in links}


def test_a_checkpoint_leads_to_the_tries_before_and_to_the_run_that_went_on(lineage, world, drawn):
    saved = world.sha("checkpoint")
    up = told(ancestry(lineage.database, saved))
    (tried,) = [id for kind, id, role, _ in up if role == "saved by"]
    assert lineage.get_run(tried).error == "MemoryError: none left"
    assert ("prompt", world.sha("t-cb"), "source", tried) in up
    down = told(descent(lineage.database, saved))
    assert ("run", drawn["run"].id, "resumed", saved) in down
    assert ("adapter", world.sha("adapter"), "exported", drawn["export"].id) in down


def test_a_backbone_leads_to_all_runs_on_it_and_to_no_other(lineage, world, drawn):
    world.train(lineage, "rte", "elsewhere", 1.0, backbone=world.other_backbone)
    links = told(descent(lineage.database, world.sha("nano")))
    on = {id for kind, id, role, _ in links if role == "on"}
    assert {run.id for run in drawn.values()} < on
    assert world.sha("elsewhere") not in repr(links)


def test_a_run_leads_down_to_what_it_made(lineage, world, drawn):
    links = told(descent(lineage.database, drawn["run"].id[:10]))
    assert ("prompt", world.sha("target"), "made", drawn["run"].id) in links
    assert ("adapter", world.sha("adapter"), "exported", drawn["export"].id) in links
    assert drawn["teacher"].id not in repr(links)
