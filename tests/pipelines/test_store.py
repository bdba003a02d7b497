import resource
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from pipelines.places import BadStoreUrl, Bucket, StoreDown, open_place
from pipelines.store import BadDigest, CorruptContent, MissingContent, Store

DATA = b"a prompt"
SHA = "f35ad7fc3db8e1b2b6b8b7e8f4ae2e70d4e9ffdd4d6c0e0a0d5b8fdf8f3d3f5a"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def path(store, sha):
    return store.place.root / sha[:2] / sha


def files(store):
    return [path.name for path in store.place.root.rglob("*") if path.is_file()]


def test_bytes_come_back_under_their_sha256(store):
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # as published

    assert store.put(b"") == empty
    assert store.get(store.put(DATA)) == DATA


def test_equal_bytes_are_kept_once(store):
    assert store.put(DATA) == store.put(DATA)
    assert len(files(store)) == 1


def test_a_changed_file_is_refused_and_putting_it_again_heals_it(store):
    sha = store.put(DATA)
    path(store, sha).write_bytes(DATA + b"!")

    with pytest.raises(CorruptContent, match="it was changed after it was stored"):
        store.get(sha)
    store.put(DATA)
    assert store.get(sha) == DATA


def test_missing_bytes_are_named(store):
    with pytest.raises(MissingContent, match="f35ad7fc3db8 is not in the store"):
        store.get(SHA)


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "/etc/passwd", SHA[:-1], SHA.upper(), SHA + "\n", "g" * 64]
)
def test_a_name_that_is_no_digest_never_becomes_a_path(store, name):
    with pytest.raises(BadDigest, match="64 hex digits"):
        store.get(name)


def test_a_full_disk_leaves_no_partial_file(store):
    small = store.put(b"before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel stops the write half-way, as it does when the disk is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            store.put(b"x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert files(store) == [small]
    assert len(store.get(store.put(b"x" * 200_000))) == 200_000


@pytest.fixture(params=["folder", "file", "memory"])
def url(request, tmp_path):
    """The URL of a store that nobody else has."""
    return {
        "folder": str(tmp_path / "a folder"),
        "file": f"file://{tmp_path}/a%20folder",
        "memory": f"memory://{uuid.uuid4().hex}/store/",
    }[request.param]


def test_a_store_is_a_folder_or_a_url(url):
    store, again = Store(open_place(url)), Store(open_place(url))
    sha = store.put(DATA)
    assert again.put(DATA) == sha
    assert again.get(sha) == DATA
    store.place.write(f"{sha[:2]}/{sha}", DATA + b"!")
    with pytest.raises(CorruptContent, match="it was changed after it was stored"):
        again.get(sha)
    again.put(DATA)
    assert store.get(sha) == DATA
    with pytest.raises(MissingContent, match="is not in the store"):
        store.get(SHA)
    store.place.remove(f"{sha[:2]}/{sha}")
    store.place.remove(f"{sha[:2]}/{sha}")
    with pytest.raises(MissingContent):
        again.get(sha)


def test_a_file_url_is_that_folder(tmp_path):
    sha = Store(open_place(f"file://{tmp_path}/a%20folder")).put(DATA)
    assert Store(Path(tmp_path / "a folder")).get(sha) == DATA


@pytest.mark.parametrize("url", ["ftp://there/x", "sftp://there/x", "nothing://x", "http://there"])
def test_a_store_that_may_show_half_of_a_file_is_refused(url):
    with pytest.raises(BadStoreUrl, match="give a folder"):
        open_place(url)


def test_a_store_whose_library_is_missing_says_what_to_install():
    asks = "from pipelines.places import open_place; open_place('s3://bucket/x')"
    hide = "import sys; sys.modules['s3fs'] = None; "
    said = subprocess.run(
        [sys.executable, "-c", hide + asks], capture_output=True, text=True, check=False
    )
    assert "BadStoreUrl" in said.stderr
    assert "prompt-transfer[s3]" in said.stderr


def test_a_store_that_is_down_is_told_as_such():
    class Down:
        def cat_file(self, name):
            raise RuntimeError("no route")

    place = Bucket(f"memory://{uuid.uuid4().hex}")
    place._system = Down()
    with pytest.raises(StoreDown, match="RuntimeError: no route") as told:
        Store(place).get(SHA)
    assert told.value.try_again
    assert isinstance(told.value, ConnectionError)
