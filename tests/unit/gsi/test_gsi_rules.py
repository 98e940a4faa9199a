"""The rules of a site: defaults, the file, and what is wrong with a file."""

import dataclasses
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

import etc
from gsi.errors import CredentialError
from gsi.rules import CrlRule, Rules, SigningPolicyRule


def load(folder: Path, text: str) -> Rules:
    (folder / "gsi.toml").write_text(text)
    return Rules.load(folder / "gsi.toml")


def test_without_a_word_the_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Rules()
    assert not Rules().sha1_proxies and Rules().min_rsa_bits == 2048
    assert Rules().signing_policy is SigningPolicyRule.REQUIRE


def test_every_rule_can_be_set(tmp_path: Path) -> None:
    assert load(tmp_path, """
        crl = "require"
        signing_policy = "if-present"
        legacy_proxies = false
        draft_proxies = false
        sha1_proxies = true
        sha1_attributes = true
        min_rsa_bits = 1024
        min_ec_bits = 384
        max_proxy_lifetime_hours = 24
        max_proxies = 3
    """) == Rules(
        CrlRule.REQUIRE, SigningPolicyRule.IF_PRESENT, False, False, True, True, 1024, 384, timedelta(days=1), 3)
    assert load(tmp_path, "max_proxy_lifetime_hours = 0").max_proxy_lifetime is None


@pytest.mark.parametrize(("text", "says"), [
    ("legacy_proxy = true", "did you mean legacy_proxies"),
    ("colour = 1", "known are crl, "),
    ("crl = true", '"require" or "if-present"'),
    ("crl = []", '"require" or "if-present"'),
    ("sha1_proxies = 1", "true or false"),
    ("min_rsa_bits = 512", "1024 or more"),
    ("min_rsa_bits = true", "1024 or more"),
    ("max_proxy_lifetime_hours = 10000000000000", "too large"),
    ("crl =", "gsi.toml"),
])
def test_a_mistake_is_an_error_that_says_where(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CredentialError, match=says) as error:
        load(tmp_path, text)
    assert "gsi.toml" in str(error.value)


def test_where_the_rules_are_found(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("max_proxies = 1")
    assert Rules.find({"GLITE_GSI_RULES": str(tmp_path / "mine")}).max_proxies == 1
    with pytest.raises(CredentialError, match="No such file"):
        Rules.find({"GLITE_GSI_RULES": str(tmp_path / "absent")})


def test_the_example_has_every_rule_with_its_default() -> None:
    example = Path(etc.__path__[0]) / "gsi.toml"
    assert Rules.load(example) == Rules()
    keys = set(tomllib.loads(example.read_text()))
    fields = {field.name for field in dataclasses.fields(Rules)}
    assert {key.removesuffix("_hours") for key in keys} == fields
