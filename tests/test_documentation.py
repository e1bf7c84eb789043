"""README's commands work word for word, and the documentation is whole."""

import re
import subprocess

import pytest
from launch import BIN, ROOT, clean_environment
from readme import TEXT, blocks, commands

ELSEWHERE = ("bash tests/run.sh", "pip install .", "srun", "sbatch")  # this very suite; tests/slurm


def test_the_commands_of_the_readme_work_word_for_word(tmp_path):
    subprocess.run(["bash", "-c", "source jobs/venv.sh"], cwd=ROOT, check=True)  # so that it is not made from the copy
    for name in (".venv", "jobs", "tools", "hpcqrl", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    (program,) = blocks("python")
    (tmp_path / "my_package.py").write_text(program)
    lines = [line for line in commands() if not line.startswith(ELSEWHERE)]
    assert len(lines) >= 14
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT)) | {"PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    made = {path.name for path in (tmp_path / "runs").iterdir()}
    assert made >= {"demo.h5", "demo.png", "x.h5", "x.png", "x.pt2", "tables", "ladder.h5"}
    shown = next(block for block in blocks("text") if "dist-qtrl: 4 agents" in block)
    for line in shown.splitlines():
        like = re.sub(r"\d[\d,.]*", "N", line)
        assert "s to go" in line or like in re.sub(r"\d[\d,.]*", "N", done.stdout), line


def test_the_readme_is_short_and_its_links_lead_somewhere():
    assert len(TEXT.splitlines()) <= 150
    links = [link for link in re.findall(r"\]\(([^)#]+)", TEXT) if not link.startswith("http")]
    assert len(links) > 10
    for link in links:
        assert (ROOT / link).exists(), link


def test_the_site_is_built_without_a_warning(tmp_path):
    """Broken links, headings that are gone, pages that no menu has, names that no longer exist are warnings."""
    pytest.importorskip("mkdocs")
    environment = clean_environment() | {"NO_MKDOCS_2_WARNING": "1"}
    command = (BIN / "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site")
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and not (done.stdout + done.stderr).strip(), done.stdout + done.stderr
    page = (tmp_path / "site/python.html").read_text()
    assert "Circuit" in page and "n_angles" in page, "made from the docstrings"
    assert "http" not in re.sub(r'href="https?://[^"]*"', "", page.split("<body")[0]), (
        "nothing is loaded from elsewhere"
    )
