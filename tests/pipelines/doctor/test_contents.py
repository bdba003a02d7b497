"""The store against lineage."""

import os
import uuid

import pytest
from sqlalchemy import select

from pipelines.contents import artifacts
from pipelines.doctor.contents import findings, remove
from pipelines.doctor.finding import Skipped
from pipelines.places import Bucket
from pipelines.store import Store, name_of


def age(path, days=2):
    then = path.stat().st_mtime - days * 86400
    os.utime(path, (then, then))
    return path


def losses(patient):
    with patient.lineage.database.reading() as connection:
        query = select(artifacts.c.sha).where(artifacts.c.kind == "losses")
        return connection.scalars(query.order_by(artifacts.c.sha)).all()


def test_nothing_is_wrong_with_a_home_that_is_well(well, unchanged):
    assert unchanged(well) == []
    assert well.mend() == []
    assert any("4 files checked" in one for one in well.notes)


@pytest.mark.parametrize("harm", ["is not in the store", "has other bytes in the store"])
def test_a_prompt_that_the_store_lost_comes_back_from_mlflow(well, healed, harm):
    sha = well.prompts[0]
    path = well.path(sha)
    whole = path.read_bytes()
    if "other" in harm:
        path.write_bytes(whole[:-1] + b"!")
    else:
        path.unlink()

    (found,) = healed(well)
    assert found.startswith(f"store: the target prompt for rte, {sha[:12]} {harm}")
    assert path.read_bytes() == whole


def test_what_no_copy_is_of_stays_named(well, unchanged):
    sha = losses(well)[0]
    well.path(sha).unlink()
    only_here = well.train("cb", 3)
    well.path(only_here).write_bytes(b"cut")

    found = unchanged(well)
    assert f"store: losses {sha[:12]} is not in the store" in found
    assert any(only_here[:12] in one and "has other bytes" in one for one in found)
    assert all("store:" in one or "outbox:" in one for one in found)


def test_a_wrong_copy_in_mlflow_is_not_taken(well, unchanged):
    sha = well.prompts[0]
    well.path(sha).unlink()
    version = well.version(1)
    folder = version.source.removeprefix("file://")
    with open(f"{folder}/adapter_model.safetensors", "ab") as file:
        file.write(b"!")

    found = unchanged(well)
    assert f"store: the target prompt for rte, {sha[:12]} is not in the store" in found
    assert not any("is not in the store" in one for one in well_mended(well))


def well_mended(patient):
    return [one.what for one in findings(patient.home()) if one.mend]


def test_old_files_that_nobody_names_are_removed_and_young_ones_are_not(well, healed, unchanged):
    old, young = (well.store.put(data) for data in (b"of a run that was killed", b"of one alive"))
    age(well.path(old))

    assert healed(well) == [
        f"store: {old[:12]} is named by nothing in lineage",
    ]
    assert not well.path(old).exists()
    assert well.store.get(young) == b"of one alive"
    assert all(well.store.get(sha) for sha in well.prompts)


def test_while_a_run_is_under_way_nothing_that_it_may_have_stored_is_removed(
    well, world, unchanged
):
    with well.lineage.record(world.request("adapt", "cb")) as run:
        well.sql(f"UPDATE run SET started_at = '2020-01-01 00:00:00' WHERE id = '{run.id}'")
        age(well.path(well.store.put(b"stored by it")))
        assert unchanged(well) == []
        run.prompt = world.prompt(well.store.put(b"stored by it"))


def test_what_is_stored_again_is_no_orphan(well, unchanged):
    path = age(well.path(well.store.put(b"of a run that was killed")))
    before = path.stat().st_mtime + 86400
    well.store.put(b"of a run that was killed")  # by one that will name it

    assert unchanged(well) == []
    remove(path, before)
    assert well.store.get(path.name) == b"of a run that was killed"


def test_of_another_lineages_store_nothing_is_removed(well, unchanged):
    for number in range(5):
        age(well.path(well.store.put(f"{number}".encode())))
    assert unchanged(well) == [
        "store: 5 of its 9 files are not named by this lineage",
    ]
    assert well.mend() == []


def test_a_file_that_is_a_folder_is_named(well, unchanged):
    path = well.path(losses(well)[0])
    path.unlink()
    path.mkdir()
    (found,) = unchanged(well)
    assert "cannot be read from the store (Is a directory)" in found


def test_storing_the_same_again_heals_it(tmp_path):
    store = Store(tmp_path)
    sha = store.put(b"data")
    (tmp_path / sha[:2] / sha).write_bytes(b"rot")
    assert store.put(b"data") == sha
    assert store.get(sha) == b"data"


@pytest.fixture
def remote(well):
    """The home of `well`, with all of its content in an object store."""
    home, bucket = well.home(), Store(Bucket(f"memory://{uuid.uuid4().hex}"))
    for sha in (*well.prompts, *losses(well)):
        bucket.put(well.store.get(sha))
    home.registry.store = bucket
    return home


def test_what_an_object_store_lost_comes_back_and_nothing_is_removed_from_it(well, remote):
    remote.store.put(b"named by nothing")
    assert list(findings(remote)) == []
    remote.store.place.remove(name_of(well.prompts[0]))
    (lost,) = findings(remote)
    assert "is not in the store" in lost.what
    lost.mend()
    assert list(findings(remote)) == []


def test_a_store_that_is_down_is_told_once(remote):
    class Down:
        def cat_file(self, name):
            raise RuntimeError("no route")

    remote.store.place._system = Down()
    (told,) = findings(remote)
    assert isinstance(told, Skipped)
    assert "no route" in told.why
