"""What is registered with a server, before there is one: schedules, parameters, keys, versions."""

import json
import os
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest
import yaml

from flows.catalogue import FLOWS, UnknownFlow, flow_named
from flows.deployments import JOB_TEMPLATE, QUEUE_OF, QUEUES
from flows.orders import order_adapt, order_learn
from flows.parameters import absolute, from_file
from flows.recipes import AdaptOptions
from flows.schedules import BadSchedule, schedule
from flows.versions import WrongVersions, broken_pairs, check_versions
from pipelines.plan import TransferSpec
from pipelines.spec_file import BadSpec
from tasks.registry import UnknownTask

NO_SERVER = "http://127.0.0.1:9/api"  # nothing listens at the discard port


def test_each_flow_is_there_under_its_name_and_has_a_queue():
    for name in FLOWS:
        assert flow_named(name).name == name
        assert QUEUE_OF[name] in QUEUES
    order = sorted(QUEUES, key=QUEUES.get)
    assert order == ["upkeep", "few-shot", "adapt", "sweep"]


def test_a_flow_that_is_not_there_is_told_with_the_nearest():
    with pytest.raises(UnknownFlow, match="did you mean 'transfer'"):
        flow_named("transfr")


def test_who_starts_a_run_can_set_nothing_of_how_it_is_started():
    template = json.dumps(JOB_TEMPLATE)
    assert "{{" not in template  # a place for a value
    assert JOB_TEMPLATE["variables"]["additionalProperties"] is False
    assert not {"command", "env", "working_dir"} & set(JOB_TEMPLATE["job_configuration"])


def test_a_form_shows_what_each_field_means_and_its_limits():
    schema = flow_named("adapt-target").parameters.model_dump()
    steps = schema["definitions"]["AdaptSpec"]["properties"]["patience"]
    assert steps["description"].startswith("It ends after so many validations in a row")
    seed = schema["definitions"]["AdaptSpec"]["properties"]["seed"]
    assert seed["minimum"] == 0
    assert "the prompt: best, @champion" in schema["properties"]["source"]["description"]


def test_a_cron_line_and_an_interval_become_schedules():
    nightly = schedule("nightly", "0 3 * * 1-5", None, "Europe/Berlin", {"a": 1})
    assert nightly.schedule.cron == "0 3 * * 1-5"
    assert nightly.schedule.timezone == "Europe/Berlin"
    assert nightly.parameters == {"a": 1}
    often = schedule("often", None, timedelta(hours=6), "UTC", {})
    assert often.schedule.interval == timedelta(hours=6)
    # The same again is the same schedule: it does not begin anew.
    assert often == schedule("often", None, timedelta(hours=6), "UTC", {})


@pytest.mark.parametrize(
    ("cron", "interval", "timezone", "told"),
    [
        ("nonsense", None, "UTC", "--cron is 'nonsense'"),
        ("61 * * * *", None, "UTC", "--cron is '61"),
        ("* * * * * * *", None, "UTC", "--cron is"),
        ("", None, "UTC", "--cron is ''"),
        ("0 3 * * *", None, "Mars/Base", "--timezone is 'Mars/Base'"),
        ("0 3 * * *", None, "../../etc/passwd", "--timezone is"),
        ("0 3 * * *", None, "", "--timezone is ''"),
        (None, timedelta(seconds=1), "UTC", "--interval is 0:00:01"),
        (None, timedelta(hours=-1), "UTC", "--interval is"),
        (None, None, "UTC", "give one of the two"),
        ("0 3 * * *", timedelta(hours=1), "UTC", "give one of the two"),
    ],
)
def test_a_schedule_that_no_clock_could_follow_is_refused(cron, interval, timezone, told):
    with pytest.raises(BadSchedule, match=told):
        schedule("x", cron, interval, timezone, {})


def test_a_spec_file_is_what_a_flow_of_one_spec_is_called_with(spec, tmp_path):
    file = tmp_path / "spec.yaml"
    file.write_text(yaml.safe_dump(spec))
    given = from_file("transfer", file)
    assert TransferSpec.model_validate(given["spec"]) == TransferSpec.model_validate(spec)
    assert given == from_file("learn-source", file)


def test_other_flows_take_their_parameters_by_name(tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text("spec: {task: mini_dining, method: majority}\nprompt: best\n")
    assert from_file("evaluate", file)["spec"]["task"] == "mini_dining"
    assert from_file("reconcile", None) == {}


WRONG = {
    "spec: {task: mini_dinig}": (UnknownTask, "did you mean 'mini_dining'"),
    "spec: {task: mini_dining, seed: -1}": (BadSpec, "seed"),
    "spec: {task: mini_dining, sed: 1}": (BadSpec, "sed"),
    "prompt: best": (BadSpec, "spec"),
    "spec: {task: mini_dining}\nother: 1": (BadSpec, "other"),
}


@pytest.mark.parametrize("text", WRONG)
def test_parameters_that_a_flow_would_refuse_are_refused_before_the_server_has_them(text, tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text(text)
    error, told = WRONG[text]
    with pytest.raises(error, match=told) as raised:
        from_file("evaluate", file)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("deploy --cron x", "name it, as in `deploy transfer`"),
        ("deploy transfr", "did you mean 'transfer'"),
        ("deploy transfer no-such.yaml --cron 0", "no-such.yaml"),
        ("deploy reconcile --cron 0", "--cron is '0'"),
        ("deploy reconcile --interval x", "--interval"),
        ("deploy reconcile", "give one of the two"),
        ("deploy --runs 0", "--runs"),
        ("adapt cola --wait", "give --remote too"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(words, told, home, tiny_backbone):
    extra = ["--backbone", tiny_backbone] if words.startswith("adapt") else []
    said = home.run(*words.split(), *extra)
    if words.startswith("adapt") and said.status == 3:
        pytest.fail("the prompt was looked for before the flags")
    assert said.status == 2, said
    assert told in said.err
    assert said.err.count("\n") == 1


def test_without_a_server_deploy_says_how_to_get_one(home):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        said = home.run("deploy")
    assert said.status == 2
    assert "`prompt-transfer up` starts one" in said.err


def test_a_server_that_is_down_is_status_75_at_once(home):
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: NO_SERVER}):
        said = home.run("deploy")
    assert said.status == 75
    assert "does not answer" in said.err
    assert said.err.count("\n") == 1


def test_files_are_named_so_that_any_process_finds_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("backbone").mkdir()
    given = {
        "spec": {"sources": ["rte", "my.yaml"], "backbone": "backbone", "name": "x.yaml"},
        "targets": [{"task": "own/task.yml", "backbone": "nano-t5"}],
    }
    assert absolute(given) == {
        "spec": {
            "sources": ["rte", f"{tmp_path}/my.yaml"],
            "backbone": f"{tmp_path}/backbone",
            "name": "x.yaml",
        },
        "targets": [{"task": f"{tmp_path}/own/task.yml", "backbone": "nano-t5"}],
    }


@pytest.fixture
def keys(make_home, write_data, spec, tmp_path):
    """Return the key of an order of `spec`, changed, on rows of its own."""
    home = make_home(write_data(tmp_path / "data"))

    def key(order=order_learn, **changes):
        with mock.patch.dict(os.environ, home.settings):
            return order(TransferSpec.model_validate(spec | changes)).key

    return key


def test_the_same_order_has_the_same_key_and_any_other_another(keys, tmp_path):
    first = keys()
    assert keys() == first
    assert keys(seeds=[1]) != first
    assert keys(name="other") != first
    rows = tmp_path / "data" / "rte" / "train.jsonl"
    rows.write_text(rows.read_text().replace("word 1 of", "word one of"))
    assert keys() != first  # the same names, and other rows behind them


def test_an_order_of_an_unknown_prompt_is_refused_before_a_server_is_asked(home, tiny_backbone):
    specs = AdaptOptions(backbone=tiny_backbone).specs(["cola"])
    with (
        mock.patch.dict(os.environ, home.settings),
        pytest.raises(LookupError, match="no source prompt"),
    ):
        order_adapt(specs, "best")


GOOD = {"prefect": "3.8.8", "fastapi": "0.150.0", "sqlalchemy": "2.0.58"}


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        ({}, ""),
        ({"fastapi": "0.151.0"}, "fastapi must be >=0.139,<0.151"),
        ({"fastapi": "0.165.0"}, "its server does not start"),
        ({"sqlalchemy": "2.1.0"}, "its schedules silently create no runs"),
        ({"sqlalchemy": "2.1.0b1"}, "sqlalchemy must be"),
        ({"sqlalchemy": "2.1.9", "prefect": "3.9.1"}, ""),
    ],
)
def test_versions_that_do_not_work_together_are_known(found, broken):
    told = broken_pairs((GOOD | found).__getitem__)
    assert len(told) == bool(broken)
    assert broken in "".join(told)


def test_what_is_installed_here_works_together():
    assert broken_pairs() == []
    check_versions()


def test_wrong_versions_are_one_line_that_says_what_to_do():
    assert str(WrongVersions(["a", "b"])) == "a; b: install with `-c constraints.txt`"
