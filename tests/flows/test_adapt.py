"""`adapt`: from a source prompt, named in any of four ways, to one task or several."""

import os
from unittest import mock

import pytest

from flows.queries import source_for
from flows.settings import open_services
from pipelines.spec import AdaptSpec

ADAPT = ("--steps", "3", "--batch-size", "4", "--validations", "1", "--backbone")


def source_of(home):
    return home.query("SELECT sha FROM prompt WHERE kind = 'source'")[0][0]


@pytest.mark.parametrize("named", ["best", "@champion", "1", "{sha}", "{short}"])
def test_each_way_of_naming_finds_the_source_prompt(named, transferred, tiny_backbone):
    home = transferred[0]
    sha = source_of(home)
    specs = [AdaptSpec(task="cb", steps=1, backbone=tiny_backbone)]
    with mock.patch.dict(os.environ, home.settings), open_services() as svc:
        assert source_for(specs, named.format(sha=sha, short=sha[:6]), svc) == sha


def test_several_tasks_are_adapted_from_one_prompt(after_transfer, tiny_backbone):
    home = after_transfer
    said = home.run("adapt", "cb", "cola", "--from", "@champion", *ADAPT, tiny_backbone, "--json")
    assert said.status == 0, said.err
    assert [one["task"] for one in said.json] == ["cb", "cola"]
    for one in said.json:
        assert one["version"].endswith(f".{one['task']}/3")  # after the two of the transfer
        assert one["unregistered"] == ""
        assert one["test"]["n"] == 12
        links = home.run("lineage", one["prompt"], "--json").json
        assert [link["id"] for link in links if link["role"] == "source"] == [source_of(home)]


REFUSED = {
    "a prompt of another backbone": (["--backbone", "{other}"], 2, "was trained for the backbone"),
    "no source prompt for that backbone": (["--backbone", "{other}", "best"], 3, "'best'"),
    "a version that is not there": (["--backbone", "{tiny}", "2"], 3, "'2'"),
    "a prompt without a shared part": (
        ["--backbone", "{tiny}", "{teacher}"], 2, "adapt from a source prompt",
    ),
    "too long for the backbone": (
        ["--backbone", "{tiny}", "--max-length", "510"], 2, "declares 512",
    ),
    "a start that it does not know": (
        ["--backbone", "{tiny}", "--start", "cola"], 2, "cannot start from 'cola'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_prompt_that_does_not_fit_is_refused(wrong, transferred, tiny_backbone, other_backbone):
    home = transferred[0]
    words, status, says = REFUSED[wrong]
    teacher = home.query("SELECT sha FROM prompt WHERE kind = 'teacher'")[0][0]
    known = {"tiny": tiny_backbone, "other": other_backbone, "teacher": teacher}
    words = [one.format(**known) for one in words]
    named = words.pop() if len(words) % 2 else source_of(home)
    before = home.query("SELECT count(*) FROM run")
    said = home.run("adapt", "cb", "--from", named, *words)
    assert said.status == status, said
    assert says in said.err
    assert said.err.count("\n") == 1
    assert home.query("SELECT count(*) FROM run") == before
