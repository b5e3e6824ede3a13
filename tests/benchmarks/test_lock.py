"""The benchmarks' lock adds to the project's, and changes nothing of it."""

from benchmarks.harness import HOME


def pinned(name):
    lines = (HOME / name).read_text().splitlines()
    pins = [line.rstrip(" \\").partition("==") for line in lines if "==" in line.split(" ;")[0]]
    versions = {}
    for package, _, version in pins:
        versions.setdefault(package, set()).add(version)
    return versions


def test_what_both_locks_name_has_the_same_versions():
    ours, peers = pinned("requirements.lock"), pinned("requirements-bench.lock")
    assert {"implicit", "sparse-dot-topn", "matplotlib"} <= peers.keys() - ours.keys()
    assert {"numpy", "scipy"} <= peers.keys() & ours.keys()
    for package in peers.keys() & ours.keys():
        assert peers[package] == ours[package], package


def test_the_lock_names_no_index():
    lock = (HOME / "requirements-bench.lock").read_text()
    assert "--hash=sha256:" in lock
    assert "://" not in lock
