"""Recipes for containers and conda have what pyproject.toml asks for, file by file and package by package."""

import re
import tomllib

from launch import ROOT

import hpcqrl

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ELSEWHERE = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}  # conda's names


def parts_of(recipe: str) -> dict[str, list[str]]:
    """Of an Apptainer recipe: its sections' lines."""
    found = re.split(r"^%(\w+)\n", recipe, flags=re.MULTILINE)
    return {
        name: [line.strip() for line in text.splitlines() if line.strip()]
        for name, text in zip(found[1::2], found[2::2], strict=True)
    }


def test_the_container_copies_what_is_there_and_installs_extras_that_exist():
    recipe = (ROOT / "jobs/hpcqrl.def").read_text()
    parts = parts_of(recipe)
    copied = [line.split()[0] for line in parts["files"]]
    assert all((ROOT / name).exists() for name in copied)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"].values()
    assert {*packages, "pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]} <= set(copied), "pip needs them"
    (extras,) = re.findall(r'"/opt/hpcqrl\[([\w,]+)\]"', recipe)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    major, minor = re.search(r"^From: python:(\d+)\.(\d+)", recipe, re.MULTILINE).groups()
    assert f"Programming Language :: Python :: {major}.{minor}" in PROJECT["classifiers"]
    assert parts["runscript"] == ['exec hpcqrl "$@"']


def test_conda_has_every_dependency_with_its_lowest_version():
    listed = set(re.findall(r"^ +- (\S+)", (ROOT / "environment.yml").read_text(), re.MULTILINE))
    for wanted in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["tools"]]:
        name, version = wanted.split(">=")
        assert f"{ELSEWHERE.get(name, name)}>={version}" in listed, wanted


def test_the_version_is_the_same_everywhere():
    said = re.search(r"^version: (\S+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)[1]
    assert said == PROJECT["version"] == hpcqrl.__version__


def test_the_package_says_that_it_is_typed_and_what_it_runs_on():
    assert (ROOT / "hpcqrl/py.typed").exists() and "Typing :: Typed" in PROJECT["classifiers"]
    assert PROJECT["readme"] and PROJECT["license"] and PROJECT["keywords"] and PROJECT["description"]
    assert not any(wanted.startswith("matplotlib") for wanted in PROJECT["dependencies"]), "only the tools draw"
