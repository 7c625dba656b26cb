"""The bundle of the console's scripts: what it contains, what other scripts import from it, and what it refuses."""

from graphlib import CycleError
from pathlib import Path

import pytest

from pileus.api.routes.web_console import FOLDER
from pileus.api.script_bundles import IMPORT, ScriptBundle

MODULES = {
    "main": 'import { h } from "./library/h.js";\nimport { one } from "./one.js";\nh(one);\nimport("./later.js");\n',
    "one": 'import {\n  two,\n} from "./two.js";\nexport const one = two + 1;\n',
    "two": "export const two = 2;\nexport async function wait() {}\n",
    "later": 'import { wait } from "./two.js";\nexport const Later = () => wait();\n',
}


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    """A script with three modules, one of which is loaded later."""
    for name, text in MODULES.items():
        (tmp_path / f"{name}.js").write_text(text, "utf-8")
    return tmp_path / "main.js"


def test_a_bundle_has_the_modules_in_the_order_of_their_imports(entry: Path) -> None:
    bundle = ScriptBundle(entry)

    assert bundle.modules == ["two", "one", "main"]
    assert bundle.render(entry).splitlines() == [
        'import{h}from"./library/h.js";',
        "const two = 2;",
        "async function wait() {}",
        "const one = two + 1;",
        "h(one);",
        'import("./later.js");',
        "export{wait};",
    ]


def test_a_module_that_is_loaded_later_imports_from_the_bundle(entry: Path) -> None:
    later = ScriptBundle(entry).render(entry.with_name("later.js"))
    assert later == MODULES["later"].replace("./two.js", "./main.js")


def test_a_module_of_the_bundle_and_a_library_are_as_their_files(entry: Path) -> None:
    library = entry.parent / "library" / "main.js"
    library.parent.mkdir()
    library.write_text('import { wait } from "./two.js";\n', "utf-8")

    assert ScriptBundle(entry).render(entry.with_name("one.js")) == MODULES["one"]
    assert ScriptBundle(entry).render(library) == library.read_text("utf-8")


def test_modules_that_declare_the_same_name_are_refused(entry: Path) -> None:
    entry.with_name("one.js").write_text(
        'import { two } from "./two.js";\nfunction wait() {}\nexport const one = two;\n'
    )
    with pytest.raises(ValueError, match="wait"):
        ScriptBundle(entry).render(entry)


def test_modules_that_import_each_other_are_refused(entry: Path) -> None:
    entry.with_name("two.js").write_text('import { one } from "./one.js";\nexport const two = 2;\n')
    with pytest.raises(CycleError):
        ScriptBundle(entry)


def test_every_import_and_export_of_the_console_has_the_form_that_a_bundle_knows() -> None:
    for path in FOLDER.glob("*.js"):
        lines = path.read_text("utf-8").splitlines()
        statements = [line for line in lines if line.startswith("import ")]
        assert len(statements) == len(IMPORT.findall(path.read_text("utf-8"))), path
        assert not [line for line in lines if line.startswith(("export default", "export {", "export *"))], path
