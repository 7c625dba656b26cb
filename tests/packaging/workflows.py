"""Run the shell steps of GitHub workflows and composite actions on this machine, in order."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # it has no type annotations

EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
SHELL = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]


def read_yaml(path: Path) -> Any:
    """Read a YAML file."""
    return yaml.safe_load(path.read_text("utf-8"))


class Job:
    """The state that the steps of a job share. `environment` has the variables that steps have exported."""

    def __init__(self, workspace: Path, runner_temp: Path, environment: Mapping[str, str]) -> None:
        self.workspace = workspace
        self.environment = {**environment, "RUNNER_TEMP": str(runner_temp), "GITHUB_WORKSPACE": str(workspace)}
        self.output = ""
        self._temp = runner_temp

    def run_steps(
        self,
        steps: list[dict[str, Any]],
        context: dict[str, Any],
        is_needed: Callable[[dict[str, Any]], bool] = lambda _: True,
    ) -> dict[str, dict[str, str]]:
        """Run steps and local actions; actions of other repositories are skipped. Return the outputs of each step.

        Raises AssertionError for a step that fails.
        """
        outputs: dict[str, dict[str, str]] = {}
        for step in filter(is_needed, steps):
            known = {**context, "steps": {name: {"outputs": values} for name, values in outputs.items()}}
            if "run" in step:
                outputs[step.get("id", "")] = self._run_shell(step, known)
            elif step["uses"].startswith("./"):
                outputs[step.get("id", "")] = self.run_action(self.workspace / step["uses"], step.get("with", {}))
        return outputs

    def run_action(self, folder: Path, given: Mapping[str, str]) -> dict[str, str]:
        """Run a composite action and return its outputs."""
        action = read_yaml(folder / "action.yml")
        inputs = {name: declared.get("default", "") for name, declared in action["inputs"].items()} | dict(given)
        context = {"inputs": inputs, "github": {"action_path": str(folder)}}
        outputs = self.run_steps(action["runs"]["steps"], context)
        steps = {"steps": {name: {"outputs": values} for name, values in outputs.items()}}
        return {name: _evaluate(declared["value"], steps) for name, declared in action["outputs"].items()}

    def _run_shell(self, step: dict[str, Any], context: dict[str, Any]) -> dict[str, str]:
        files = {name: self._temp / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH")}
        for file in files.values():
            file.write_text("")
        variables = {name: _evaluate(value, context) for name, value in step.get("env", {}).items()}
        finished = subprocess.run(
            [*SHELL, _evaluate(step["run"], context)],
            cwd=self.workspace / step.get("working-directory", "."),
            env=self.environment | variables | {name: str(file) for name, file in files.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=280,
            check=False,
        )
        self.output += finished.stdout
        assert finished.returncode == 0, f"{step['run']}\n{finished.stdout}"
        self.environment |= dict(_read_pairs(files["GITHUB_ENV"]))
        paths = files["GITHUB_PATH"].read_text().split()
        self.environment["PATH"] = os.pathsep.join([*paths, self.environment["PATH"]])
        return dict(_read_pairs(files["GITHUB_OUTPUT"]))


def _read_pairs(file: Path) -> Iterator[tuple[str, str]]:
    for line in file.read_text().splitlines():
        name, _, value = line.partition("=")
        yield name, value


def _evaluate(text: str, context: Mapping[str, Any]) -> str:
    def look_up(match: re.Match[str]) -> str:
        value: Any = context
        for name in match[1].split("."):
            value = value[name]
        return str(value)

    return EXPRESSION.sub(look_up, text)
