"""`pileus catalog`: a catalogue is checked without a server, and the one that comes along is shown."""

from pathlib import Path

from tests.cli.conftest import Run


def test_the_one_that_comes_along_is_right_and_can_be_copied(run: Run, tmp_path: Path) -> None:
    shown = run("catalog", "show")
    mine = tmp_path / "mine.toml"
    mine.write_text(shown.stdout)

    own, copied = run("catalog", "check"), run("catalog", "check", str(mine))

    assert (own.exit_code, copied.exit_code) == (0, 0)
    assert own.stdout == copied.stdout
    assert own.stdout.startswith("The catalogue is right: ")


def test_every_wrong_key_is_named_by_its_path(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(run("catalog", "show").stdout.replace('currency = "EUR"', 'currency = "SHELLS"'))

    checked = run("catalog", "check", str(wrong))

    assert checked.exit_code == 1
    assert "The catalogue is wrong: currency: " in checked.stderr


def test_what_is_no_toml_or_not_there_is_told(run: Run, tmp_path: Path) -> None:
    odd = tmp_path / "odd.toml"
    odd.write_bytes(b"\xff\xfe")

    assert "is not a text in UTF-8" in run("catalog", "check", str(odd)).stderr
    assert run("catalog", "check", str(tmp_path / "none.toml")).exit_code == 2
