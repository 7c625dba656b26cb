"""`pileus catalog`: check a catalogue without a server, and print the bundled one."""

from pathlib import Path

from tests.cli.conftest import Run


def test_bundled_catalogue_is_valid_and_can_be_copied(run: Run, tmp_path: Path) -> None:
    output = run("catalog", "show")
    copy = tmp_path / "mine.toml"
    copy.write_text(output.stdout)

    bundled, copied = run("catalog", "check"), run("catalog", "check", str(copy))

    assert (bundled.exit_code, copied.exit_code) == (0, 0)
    assert bundled.stdout == copied.stdout
    assert bundled.stdout.startswith("The catalogue is right: ")


def test_every_wrong_key_is_reported_by_its_path(run: Run, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(run("catalog", "show").stdout.replace('currency = "EUR"', 'currency = "SHELLS"'))

    checked = run("catalog", "check", str(wrong))

    assert checked.exit_code == 1
    assert "The catalogue is wrong: currency: " in checked.stderr


def test_file_that_is_no_text_or_missing_is_an_error(run: Run, tmp_path: Path) -> None:
    not_text = tmp_path / "odd.toml"
    not_text.write_bytes(b"\xff\xfe")

    assert "is not a text in UTF-8" in run("catalog", "check", str(not_text)).stderr
    assert run("catalog", "check", str(tmp_path / "none.toml")).exit_code == 2
