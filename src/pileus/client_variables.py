"""The environment variables of official clients, and their values for the server that the settings describe."""

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from pileus.domain.errors import Invalid
from pileus.initial_data import PROJECT, load_catalogue
from pileus.private_files import KEY_FILE
from pileus.setting_fields import SettingError
from pileus.settings import Settings

SDK = "Python SDK, Go SDK, Terraform 2.x"
CLIENT_VARIABLES = {
    SDK: {
        "GCORE_BASE_URL": "{base_url}",
        "GCORE_API_KEY": "{key}",
        "GCORE_CLOUD_PROJECT_ID": "{project}",
        "GCORE_CLOUD_REGION_ID": "{region}",
    },
    "Terraform 0.x": {
        "GCORE_API_ENDPOINT": "{base_url}",
        "GCORE_CLOUD_API": "{base_url}/cloud",
        "GCORE_PERMANENT_TOKEN": "{key}",
    },
    "Go CLI": {
        "GCLOUD_API_URL": "{base_url}/cloud",
        "GCLOUD_API_TOKEN": "{key}",
        "GCLOUD_CLIENT_TYPE": "api-token",
        "GCLOUD_PROJECT": "{project}",
        "GCLOUD_REGION": "{region}",
    },
    "Ansible": {
        "CLOUD_API_HOST": "{base_url}/cloud",
        "CLOUD_API_KEY": "{key}",
        "CLOUD_PROJECT_ID": "{project}",
        "CLOUD_REGION_ID": "{region}",
    },
}
"""The template of each variable's value, by client. `GCORE_CLOUD_API` overrides `GCORE_API_ENDPOINT`, so a value that
is left in the shell would name another cloud.
"""
ADDRESS_SETTINGS = ("data", "host", "port", "public_url", "catalogue")


class NoApiKey(Exception):
    """There is no key on this machine; the message is one line that says what to do."""


def client_variables(settings: Settings, key: str) -> dict[str, str]:
    """Return the variables of all clients. Raises SettingError for a wrong catalogue."""
    return client_variables_of_project(settings.base_url, key, PROJECT, default_region(settings))


def client_variables_of_project(base_url: str, key: str, project: int, region: int) -> dict[str, str]:
    """Return the variables of all clients for a project in a region."""
    templates = {name: template for client in CLIENT_VARIABLES.values() for name, template in client.items()}
    return _fill_templates(templates, base_url, key, project, region)


def variables_of(client: str, settings: Settings, key: str) -> dict[str, str]:
    """Return the variables of one client. Raises SettingError for a wrong catalogue."""
    return _fill_templates(CLIENT_VARIABLES[client], settings.base_url, key, PROJECT, default_region(settings))


def _fill_templates(templates: Mapping[str, str], base_url: str, key: str, project: int, region: int) -> dict[str, str]:
    values = {"base_url": base_url, "key": key, "project": project, "region": region}
    return {name: template.format(**values) for name, template in templates.items()}


def read_api_key(settings: Settings) -> str:
    """Return the operator's key: the given one, or the one that the first start wrote. Raises NoApiKey."""
    if settings.api_key:
        return settings.api_key
    data = settings.data.absolute()
    if not data.is_dir():
        raise NoApiKey(f"There is no data directory {data}. Run `pileus serve` first, or name another with --data.")
    file = data / KEY_FILE
    try:
        key = file.read_text("utf-8").strip()
    except FileNotFoundError:
        key = ""
    except (OSError, UnicodeDecodeError) as failure:
        raise NoApiKey(f"{file}: the key cannot be read: {failure}") from failure
    if not key:
        raise NoApiKey(
            f"There is no API key in {file}. Run `pileus serve` first, or `pileus keys create NAME` and give its token "
            "with --api-key."
        )
    return key


def command_line(*arguments: str) -> str:
    """Return a command line of this program, which works in any terminal and directory."""
    program = ["pileus"] if shutil.which("pileus") else [sys.executable, "-m", "pileus"]
    return shlex.join([*program, *arguments])


def env_command_line(settings: Settings) -> str:
    """Return the command line of `pileus env` for this server."""
    defaults, options = Settings(), []
    for name in ADDRESS_SETTINGS:
        value = getattr(settings, name)
        if value != getattr(defaults, name):
            is_path = name in ("data", "catalogue")
            options += [f"--{name.replace('_', '-')}", str(Path(value).absolute() if is_path else value)]
    return command_line("env", *options)


def default_region(settings: Settings) -> int:
    """Return the default region of the catalogue. Raises SettingError for a wrong catalogue."""
    try:
        return load_catalogue(settings).default_region
    except Invalid as problem:
        raise SettingError(f"{settings.catalogue}: {problem.message}") from problem
