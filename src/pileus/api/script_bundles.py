"""One script of all modules that a page loads at first: the browser asks once, and what they share is compressed once.

The modules are files of their own, which run in a browser as they are. The bundle has their code in the order of their
imports, without these; modules that are loaded later import from the bundle. Each import is a statement as in
`import { a, b } from "./c.js";`, and each export begins a declaration. What modules declare has names of its own.
Modules in other folders, such as libraries, are imported from there.
"""

import re
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

IMPORT = re.compile(r'^import \{\s*([\w,\s]+?),?\s*\} from "\./([\w/]+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:const|function|class) )", re.MULTILINE)
DECLARATION = re.compile(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)", re.MULTILINE)


class ScriptBundle:
    """The modules that an entry imports, at once or by others. Raises CycleError if they import each other."""

    def __init__(self, entry: Path) -> None:
        self._entry = entry
        self._texts = {entry.stem: entry.read_text("utf-8")}
        imports: dict[str, list[str]] = {}
        while pending := sorted(self._texts.keys() - imports.keys()):
            for name in pending:
                imports[name] = [module for _, module in IMPORT.findall(self._texts[name]) if "/" not in module]
                self._texts |= {module: entry.with_name(f"{module}.js").read_text("utf-8") for module in imports[name]}
        self.modules = [*TopologicalSorter(imports).static_order()]

    def render(self, path: Path) -> str:
        """Return the text of a script: the bundle for its entry, and other scripts so that they import from it.

        Raises ValueError if two modules declare the same name.
        """
        if path == self._entry:
            return self._render_entry()
        text = path.read_text("utf-8")
        if path.parent != self._entry.parent or path.stem in self.modules:
            return text
        return IMPORT.sub(self._import_from_entry, text)

    def _render_entry(self) -> str:
        code = "".join(EXPORT.sub("", IMPORT.sub("", self._texts[module])) for module in self.modules)
        repeated = [name for name, count in Counter(DECLARATION.findall(code)).items() if count > 1]
        if repeated:
            raise ValueError(f"Several modules declare {', '.join(repeated)}")
        return f"{self._render_libraries()}{code}export{{{','.join(sorted(self._find_later_imports()))}}};\n"

    def _render_libraries(self) -> str:
        imports = [pair for text in self._texts.values() for pair in IMPORT.findall(text) if "/" in pair[1]]
        modules = sorted({module for _, module in imports})
        names = {
            module: sorted({name for text, other in imports if other == module for name in _names_in(text)})
            for module in modules
        }
        return "".join(f'import{{{",".join(names[module])}}}from"./{module}.js";\n' for module in modules)

    def _find_later_imports(self) -> set[str]:
        """Return what modules outside of the bundle import from it."""
        others = [path for path in self._entry.parent.glob("*.js") if path.stem not in self.modules]
        imports = [pair for path in others for pair in IMPORT.findall(path.read_text("utf-8"))]
        return {name for text, module in imports if module in self.modules for name in _names_in(text)}

    def _import_from_entry(self, match: re.Match[str]) -> str:
        return (
            match[0].replace(f'"./{match[2]}.js"', f'"./{self._entry.name}"') if match[2] in self.modules else match[0]
        )


def _names_in(text: str) -> list[str]:
    return re.split(r",\s*", text)
