"""Old names of modules: the new one is said, the exit code is 2."""

import subprocess
import sys

import pytest

from conftest import HOME
from lakeshop.config.training import NetworkConfig
from lakeshop.errors import ConfigError
from lakeshop.pipeline import read_settings
from lakeshop.renamed import RENAMED, hint

NETWORK = {"optimizer": "adam", "loss": "mse", "batch_size": 1, "epochs": 1, "local_steps": 1}


def test_running_an_old_name_ends_with_2_and_the_new_one():
    command = [sys.executable, "-m", "lakeshop.bundle", "out.zip"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "lakeshop.bundle is now lakeshop.packaging" in ended.stderr


def test_importing_an_old_name_says_the_new_one():
    with pytest.raises(ImportError, match=r"lakeshop\.session is now lakeshop\.engine\.session"):
        __import__("lakeshop.session")


def test_an_old_builder_is_refused_as_the_configuration_is_read():
    with pytest.raises(ValueError, match=r"is now lakeshop\.fraud\.network"):
        NetworkConfig(builder="lakeshop.models.fraud:tabm", **NETWORK)
    assert NetworkConfig(builder="my_shop.networks:tabm", **NETWORK).builder


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("forecasts: {country: DE}", "forecasts is now demand"),
        ("reorder: {pack_size: 1}", "reorder is now inventory"),
        ("forecasts: {teaching: {}}", "forecasts.teaching is now demand.global_model"),
        ("demand: {teaching: {}}", "demand.teaching is now demand.global_model"),
        ("forecasts: {}\nreorder: {}", "features.most_units_per_line; reorder is now inventory"),
    ],
)
def test_an_old_section_is_refused_with_the_new_name(tmp_path, old, new):
    import shutil

    shutil.copytree(HOME / "conf", tmp_path / "conf")
    (tmp_path / "conf" / "local.yaml").write_text(old)
    with pytest.raises(ConfigError, match=new) as error:
        read_settings(tmp_path / "conf", env="local", shop="simulated")
    assert error.value.exit_code == 2


def test_new_names_exist():
    from importlib.util import find_spec

    for old, new in RENAMED.items():
        assert find_spec(new) is not None
        assert hint(old) == f"{old} is now {new}."
