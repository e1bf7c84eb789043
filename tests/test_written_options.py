"""Options that are written down, in a TOML file or a run's results file, are those that a run then has."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from launch import hpcqrl
from synthetic import write_run

from hpcqrl.options import Train
from hpcqrl.results.reader import read_run
from hpcqrl.systems import SYSTEMS, find, qa3c
from hpcqrl.written import as_toml, defaults, read_written, system_of, unchecked

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SMALL = ("--env", "MiniGrid-Empty-5x5-v0", "--qubits", "2", "--layers", "1", "--episodes", "3", "--tanh")


def config_of(arguments, name="qa3c", kind=qa3c.Config):
    """The configuration that files alone say."""
    own, others = defaults(read_written(arguments), name, kind, Train, arguments)
    return kind(**own), others


@settings(deadline=None)
@given(TEXTS, st.floats(1e-300, 1.0), st.lists(TEXTS), st.integers(0, 2**63 - 1), st.booleans())
def test_tomllib_reads_what_was_written(text, number, texts, seed, truth):
    config = unchecked(
        qa3c.Config, {"env": text, "learning_rate": number, "env_option": tuple(texts), "seed": seed, "tanh": truth}
    )
    found = tomllib.loads(as_toml("qa3c", config))
    assert [found[name] for name in ("env", "learning_rate", "env_option", "seed", "tanh")] == [
        *(text, number, texts, seed, truth)
    ]
    assert "shots" not in found, "what is not set is left out"


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_systems_configuration_comes_back(name, tmp_path):
    kind = find(name).Config
    path = tmp_path / "run.toml"
    path.write_text(as_toml(name, kind(seed=7, shots=5, env_option=("size=5",))))
    arguments = ("--config", str(path))
    assert config_of(arguments, name, kind) == (kind(seed=7, shots=5, env_option=("size=5",)), {})
    assert system_of(read_written(arguments)) == name


def test_the_command_line_wins_over_a_file_of_options_and_that_over_a_run(tmp_path):
    first, table, second = tmp_path / "first.h5", tmp_path / "run.toml", tmp_path / "second.h5"
    done = hpcqrl("train", "qa3c", *SMALL, "--seed", "1", "--discount", "0.5", "--out", str(first))
    assert done.returncode == 0, done.stderr
    table.write_text(f'seed = 2\nepisodes = 0\nlearning-rate = 1\nout = "{second}"\ncheckpoint_every = 7\n')
    done = hpcqrl("train", "--like", str(first), "--config", str(table), "--episodes", "2")
    assert done.returncode == 0, done.stderr
    run = read_run(second)
    expected = read_run(first).config | {"seed": 2, "episodes": 2, "learning_rate": 1.0}
    assert run.config == expected and run.attributes["checkpoint_every"] == 7.0
    shown = hpcqrl("describe", str(second), "--toml")
    assert shown.returncode == 0 and tomllib.loads(shown.stdout)["learning_rate"] == 1.0
    table.write_text(shown.stdout)
    assert vars(config_of(("--config", str(table)))[0]) == {
        name: tuple(value) if isinstance(value, list) else value for name, value in expected.items()
    }


def test_what_is_wrong_in_a_file_of_options_is_named_in_a_line_by_one_rank(tmp_path):
    path = tmp_path / "run.toml"
    wrong = {
        "leraning_rate = 1.0": "there is no option 'leraning_rate'; the nearest is learning_rate",
        "[model]\nlayers = 3": "model must be",
        'layers = "3"': "layers must be int, not '3'",
        "like = 'x.h5'": "there is no option 'like'",
        "layers = ": "cannot be read as TOML",
        "x = " + "[" * 10000: "cannot be read as TOML",
        'system = "ppo"': "is of system ppo, not qa3c",
    }
    for text, reason in wrong.items():
        path.write_text(text)
        with pytest.raises(ValueError, match=r"run\.toml") as error:
            config_of(("--config", str(path)))
        assert reason in str(error.value)
    done = hpcqrl("train", "qa3c", f"--config={path}", ranks=2)
    assert done.returncode == 2 and done.stderr == f"hpcqrl: {path} is of system ppo, not qa3c\n"
    absent = hpcqrl("train", "qa3c", "--config", str(tmp_path / "none.toml"))
    assert absent.returncode == 2 and "none.toml" in absent.stderr and "Traceback" not in absent.stderr
    for arguments in ((), ("--seed", "3"), ("--help",)):
        nothing = hpcqrl("train", *arguments)
        assert nothing.stdout.startswith("usage: hpcqrl train SYSTEM") and not nothing.stderr, "no file says a system"
        assert nothing.returncode == (0 if arguments == ("--help",) else 2)
    path.write_text("layers = 0")
    late = hpcqrl("train", "qa3c", "--config", str(path))
    assert late.returncode == 2 and "layers must lie in 1..1000" in late.stderr


def test_a_run_alone_has_nothing_imported(tmp_path):
    (tmp_path / "own_thing.py").write_text("raise SystemExit('imported')")
    for option, own in {"env": "own_thing:Thing-v0", "circuit": "own_thing:f", "qpu": "own_thing:f"}.items():
        path = write_run(tmp_path / "x.h5", [1.0], **vars(qa3c.Config()) | {option: own})
        with pytest.raises(ValueError, match=f"only if you say so: --{option} {own}"):
            config_of(("--like", path))
        assert getattr(config_of(("--like", path, f"--{option}", own))[0], option) == own
    again = hpcqrl("train", "qa3c", "--like", path, "--qpu", "own_thing:f", PYTHONPATH=f"{tmp_path}:.")
    assert "imported" in again.stderr, "when it is said again"
    other = write_run(tmp_path / "y.h5", [1.0], system="own_thing")
    done = hpcqrl("train", "--like", other, PYTHONPATH=f"{tmp_path}:.")
    assert done.returncode == 2 and "imported only if you say: train own_thing" in done.stderr


def test_options_that_come_several_times_are_said_anew_together(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('env-option = ["size=5", "agent_view_size=3"]')
    assert config_of(("--config", str(path)))[0].env_option == ("size=5", "agent_view_size=3")
    assert config_of(("--config", str(path), "--env-option", "size=6"))[0].env_option == ()
    path = write_run(tmp_path / "x.h5", [1.0], **vars(qa3c.Config(env_option=("size=5",))))
    assert config_of(("--like", path))[0].env_option == ("size=5",)
    assert config_of(("--like", path, "--env", "CartPole-v1"))[0].env_option == ("size=5",), "the same environment"
    assert config_of(("--like", path, "--env=Acrobot-v1"))[0].env_option == (), "they were another's"
