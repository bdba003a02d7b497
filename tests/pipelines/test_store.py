import resource

import pytest

from pipelines.store import BadDigest, CorruptContent, MissingContent, Store

DATA = b"a prompt"
SHA = "f35ad7fc3db8e1b2b6b8b7e8f4ae2e70d4e9ffdd4d6c0e0a0d5b8fdf8f3d3f5a"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def files(store):
    return [path.name for path in store.folder.rglob("*") if path.is_file()]


def test_bytes_come_back_under_their_sha256(store):
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # as published

    assert store.put(b"") == empty
    assert store.get(store.put(DATA)) == DATA


def test_equal_bytes_are_kept_once(store):
    assert store.put(DATA) == store.put(DATA)
    assert len(files(store)) == 1


def test_a_changed_file_is_refused_and_putting_it_again_heals_it(store):
    sha = store.put(DATA)
    store.path(sha).write_bytes(DATA + b"!")

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
