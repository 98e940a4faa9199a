"""Settings: one file, refused with advice when something in it is not understood."""

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from shared import ROOT
from wms.config import ConfigError, load

MINIMAL = """
[common]
document_root = "wms"
queue_directory = "/q"
event_prefix = "/e/dglogd.log"
host_certificate = "/c"
host_key = "/k"
host = "wms.example.org"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "glite_wms.toml"
    path.write_text(text)
    return path


def test_the_example_is_valid_and_shows_the_defaults() -> None:
    example = load(ROOT / "etc" / "glite_wms.toml")
    uncommented = (ROOT / "etc" / "glite_wms.toml").read_text()
    for name in ("max_input_sandbox_bytes", "users_file", "default_vo", "match_retry_period_s", "lb_tries"):
        assert f"# {name} = " in uncommented
    assert [element.id for element in example.computing_element] == [
        "localhost:8443/cream-local-short",
        "localhost:8443/cream-local-long",
    ]


def test_every_key_is_explained_in_the_example() -> None:
    import dataclasses

    from wms import config

    text = (ROOT / "etc" / "glite_wms.toml").read_text()
    for section in (config.Common, config.WmProxy, config.WorkloadManager, config.ComputingElement):
        for one in dataclasses.fields(section):
            assert f"{one.name} = " in text, one.name


def test_relative_paths_count_from_the_file_and_values_derive(tmp_path: Path) -> None:
    settings = load(written(tmp_path, MINIMAL))
    assert settings.common.sandbox_directory == tmp_path / "wms" / "SandboxDir"
    assert settings.common.proxy_cache == tmp_path / "wms" / "proxycache"
    assert settings.endpoint == "https://wms.example.org:7443/glite_wms_wmproxy_server"
    assert settings.lb_servers == ("wms.example.org:9000",)
    with pytest.raises(FrozenInstanceError):
        settings.common.host = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    "addition, words",
    [
        ("glue_fil = 'x'", "unknown key 'common.glue_fil'; did you mean 'glue_file'?"),
        ("zzzzzz = 1", "known keys: "),
        ("[wmproxi]", "unknown key 'wmproxi'; did you mean 'wmproxy'?"),
        ("[wmproxy]\nport = '7443'", "wmproxy.port must be an integer"),
        ("[wmproxy]\nport = true", "wmproxy.port must be an integer"),
        ("[wmproxy]\nlb_pause_s = -1", "wmproxy.lb_pause_s must be a number"),
        ("log_level = 'LOUD'", "must be one of DEBUG, INFO, WARNING, ERROR"),
        ("lb_servers = [1]", "common.lb_servers[0] must be a string"),
        ("sandbox_name = 'a/b'", "one path component"),
        ("[[computing_element]]\nslots = 1", "the key 'computing_element[0].id' is missing"),
        ("[[computing_element]]\nid = 'a'\n[[computing_element]]\nid = 'a'", "'a' is described twice"),
        ("[wmproxy]\nwms_requirements = 'a &&'", "wmproxy.wms_requirements: line 1"),
        ("wmproxy = 3", "wmproxy"),
        ("[broken", "not TOML"),
    ],
)
def test_a_mistake_is_told_with_file_key_and_advice(tmp_path: Path, addition: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, f"{MINIMAL}\n{addition}\n"))
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


def test_a_missing_key_or_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the key 'common' is missing"):
        load(written(tmp_path, ""))
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
