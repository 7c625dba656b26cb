"""Settings: their sources, which source wins, and how mistakes are reported."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from pileus.cli.main import pileus
from pileus.cli.settings import make_reference
from pileus.domain.account.access import Role
from pileus.domain.account.api_keys import TOKEN
from pileus.drivers.qemu.settings import QemuSettings
from pileus.drivers.simulated.settings import SimulatedSettings
from pileus.setting_fields import HIDDEN, Setting, SettingError
from pileus.settings import SETTINGS, Settings, default_data_directory, gather_given_values, load

ROOT = Path(__file__).parents[1]
EXAMPLES = {
    "host": ("0.0.0.0", "0.0.0.0"),  # noqa: S104  # nothing listens
    "port": ("9000", 9000),
    "public_url": ("https://cloud.example.org/x", "https://cloud.example.org/x"),
    "internal_url": ("https://node-1.internal:8443", "https://node-1.internal:8443"),
    "home_regions": ("2,3", "2,3"),
    "trusted_proxies": ("127.0.0.1,10.0.0.0/8", "127.0.0.1,10.0.0.0/8"),
    "health_port": ("9090", 9090),
    "workers": ("4", 4),
    "seed": ("cloud.yaml", "cloud.yaml"),
    "start_scripts": ("start.d", "start.d"),
    "cell": ("1", 1),
    "cells": ("0=http://10.0.0.1:8080,1=http://10.0.1.1:8080", "0=http://10.0.0.1:8080,1=http://10.0.1.1:8080"),
    "tenants_database": ("postgresql://u:p@db/tenants", "postgresql://u:p@db/tenants"),
    "data": ("/var/lib/pileus", Path("/var/lib/pileus")),
    "database": ("postgresql://u:p@db/pileus", "postgresql://u:p@db/pileus"),
    "secrets_key": ("/etc/pileus/secrets.key", "/etc/pileus/secrets.key"),
    "catalogue": ("mine.toml", "mine.toml"),
    "driver": ("qemu", "qemu"),
    "lease_seconds": ("2.5", 2.5),
    "task_poll_ms": ("0", 0),
    "simulated_time": ("realistic", "realistic"),
    "qemu_accelerator": ("tcg", "tcg"),
    "qemu_user": ("pileus", "pileus"),
    "qemu_user_ids": ("20000-60000", "20000-60000"),
    "qemu_cpu_ratio": ("2.5", 2.5),
    "qemu_ram_ratio": ("1.5", 1.5),
    "qemu_resume": ("false", False),
    "qemu_metrics_days": ("30", 30),
    "qemu_bridges": ("pub_net=br0", "pub_net=br0"),
    "openstack_config": ("/etc/pileus/clouds.yaml", "/etc/pileus/clouds.yaml"),
    "openstack_cloud": ("lab", "lab"),
    "openstack_region": ("RegionTwo", "RegionTwo"),
    "openstack_boot_image": ("debian-12", "debian-12"),
    "openstack_load_balancer_provider": ("ovn", "ovn"),
    "openstack_request_timeout": ("30", 30.0),
    "openstack_slot_timeout": ("30", 30.0),
    "openstack_poll_interval": ("0.5", 0.5),
    "openstack_threads": ("8", 8),
    "simulation_control": ("on", "on"),
    "api_key": ("12$correct-horse", "12$correct-horse"),
    "metrics_key_required": ("true", True),
    "log_level": ("debug", "debug"),
    "log_format": ("json", "json"),
    "legacy_fields": ("0", False),
    "body_limit": ("65536", 65536),
    "tag_limit": ("64", 64),
    "rate_limit": ("250", "250"),
    "header_timeout": ("0.5", 0.5),
    "task_limit": ("500", 500),
    "body_timeout": ("1.5", 1.5),
    "idle_timeout": ("5", 5.0),
    "connection_limit": ("100", 100),
    "connection_limit_per_peer": ("7", 7),
    "instance_cache": ("16", 16),
    "instance_cache_checked": ("true", True),
    "image_sources": ("none", "none"),
    "subscribers": ("any", "any"),
    "image_limit": ("100", 100),
    "image_disk_limit": ("500", 500),
    "image_timeout": ("60.5", 60.5),
    "strict": ("true", True),
    "request_log": ("on", "on"),
    "request_log_size": ("10", 10),
    "request_log_memory": ("1", 1),
    "audit_log_days": ("365", 365),
    "task_days": ("0", 0),
    "usage_days": ("800", 800),
}
every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)


def toml(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "pileus.toml"
    file.write_text(text, encoding="utf-8")
    return file


def as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def test_without_anything_given_every_setting_has_its_default() -> None:
    assert load({}, {}) == Settings()


def test_every_setting_has_an_example_here() -> None:
    assert list(EXAMPLES) == [setting.name for setting in SETTINGS]


@every_setting
def test_every_setting_can_be_given_as_an_option_a_variable_and_a_key(setting: Setting, tmp_path: Path) -> None:
    text, value = EXAMPLES[setting.name]

    file = toml(tmp_path, f"{setting.name} = {as_toml(value)}")
    loaded = [load({setting.name: text}, {}), load({}, {setting.environment_variable: text}), load({}, {}, file)]

    assert [settings.value(setting) for settings in loaded] == [value] * 3
    assert value != setting.default


@every_setting
def test_every_setting_is_in_the_help_and_in_the_reference(setting: Setting) -> None:
    output = CliRunner(env={"COLUMNS": "400"}).invoke(pileus, ["serve", "--help"]).output
    line = next(line for line in make_reference().splitlines() if line.startswith(f"| `{setting.name}` |"))

    for text in (setting.command_line_option, setting.environment_variable, setting.default_text):
        assert text in " ".join(output.split())
        assert text in line
    assert setting.help.endswith(".")


def test_the_reference_of_settings_is_what_the_program_says() -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

    assert written == make_reference(), "docs/settings.md is behind: make docs"


def test_an_option_wins_over_a_variable_and_a_variable_over_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, "port = 1\nworkers = 1\nbody_limit = 2000\n")

    settings = load(
        {"port": "3", "workers": None}, {"PILEUS_PORT": "2", "PILEUS_WORKERS": "2", "PILEUS_CONFIG": str(file)}
    )

    assert (settings.port, settings.workers, settings.body_limit, settings.host) == (3, 2, 2000, "127.0.0.1")


def test_a_file_named_by_option_wins_over_one_named_by_variable(tmp_path: Path) -> None:
    assert load({}, {"PILEUS_CONFIG": "/nowhere"}, toml(tmp_path, "port = 7")).port == 7


def test_each_value_has_its_source(tmp_path: Path) -> None:
    file = toml(tmp_path, "port = 1")

    given = gather_given_values({"host": "::1"}, {"PILEUS_WORKERS": "2"}, file)

    assert {name: source.origin for name, source in given.items()} == {
        "port": str(file),
        "workers": "PILEUS_WORKERS",
        "host": "--host",
    }


def test_an_empty_variable_is_not_given() -> None:
    assert load({}, {"PILEUS_PORT": "", "PILEUS_CONFIG": ""}).port == Settings().port


@pytest.mark.parametrize(
    ("flags", "environ", "message"),
    [
        ({"port": "70000"}, {}, "--port: the setting port wants a whole number from 1 to 65535, not '70000'"),
        ({}, {"PILEUS_PORT": "http"}, "PILEUS_PORT: the setting port wants a whole number from 1 to 65535, not 'http'"),
        ({}, {"PILEUS_LEGACY_FIELDS": "yes"}, "PILEUS_LEGACY_FIELDS: the setting legacy_fields wants true or false"),
        (
            {"header_timeout": "nan"},
            {},
            "--header-timeout: the setting header_timeout wants a number above 0, at most 3600",
        ),
        ({"log_format": "xml"}, {}, "--log-format: the setting log_format wants one of auto, text, json, not 'xml'"),
        ({"public_url": "cloud"}, {}, "--public-url: the setting public_url wants an address such as https://"),
        ({"data": ""}, {}, "--data: the setting data wants a directory, not ''"),
        ({"data": "a\0b"}, {}, "--data: the setting data wants a directory"),
    ],
)
def test_a_wrong_value_names_the_setting_and_its_source(
    flags: dict[str, str], environ: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        load(flags, environ)

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('port = "8080"', "the setting port wants a whole number from 1 to 65535, not '8080'"),
        ("port = true", "the setting port wants a whole number from 1 to 65535, not True"),
        ("data = 7", "the setting data wants a directory, not 7"),
        ("[server]\nport = 1", "there is no setting server: `pileus settings` lists them all"),
        ("body-limit = 1", "there is no setting body-limit: did you mean body_limit?"),
        ("port = ", "not TOML: Invalid value"),
    ],
)
def test_a_mistake_in_the_file_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    file = toml(tmp_path, text)

    with pytest.raises(SettingError) as caught:
        load({}, {}, file)

    assert str(caught.value).startswith(f"{file}: {message}")


def test_a_driver_has_a_table_in_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, 'port = 7\n[qemu]\nuser = "pileus"\nresume = false\n[simulated]\ntime = "realistic"\n')

    settings = load({}, {"PILEUS_QEMU_CPU_RATIO": "2"}, file)

    assert settings.drivers == {
        "qemu": {"user": "pileus", "resume": False, "cpu_ratio": 2.0},
        "simulated": {"time": "realistic"},
    }
    assert settings.driver_settings("qemu") == QemuSettings(user="pileus", resume=False, cpu_ratio=2)
    assert settings.driver_settings("simulated") == SimulatedSettings(time="realistic")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[qemu]\ncpu_ratio = 0", "the setting qemu_cpu_ratio wants a number above 0, at most 1024, not 0"),
        ('[qemu]\nusr = "x"', "there is no setting qemu_usr: did you mean qemu_user?"),
        ('qemu_user = "x"\n[qemu]\nuser = "y"', "the setting qemu_user is given twice"),
        ("qemu = 1", "there is no setting qemu: "),
        ("drivers = {}", "there is no setting drivers: "),
    ],
)
def test_a_mistake_in_a_drivers_table_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    file = toml(tmp_path, text)

    with pytest.raises(SettingError) as caught:
        load({}, {}, file)

    assert str(caught.value).startswith(f"{file}: {message}")


def test_other_processes_get_the_same_settings(tmp_path: Path) -> None:
    settings = load({"qemu_user": "pileus", "data": str(tmp_path), "port": "9"}, {})

    text = msgspec.json.encode(settings, enc_hook=str)

    assert msgspec.json.decode(text, type=Settings, dec_hook=lambda kind, value: kind(value)) == settings


def test_bridges_are_pairs_of_a_network_and_a_bridge() -> None:
    assert QemuSettings().bridges_by_network == {}
    assert QemuSettings(bridges="pub_net=br0,lab=br1").bridges_by_network == {"pub_net": "br0", "lab": "br1"}


def test_the_settings_of_drivers_load_without_the_drivers() -> None:
    program = (
        "import sys, pileus.cli.main, pileus.settings; print([name for name in sys.modules if name in "
        "('importlib.metadata', 'pileus.drivers.qemu.driver', 'pileus.drivers.simulated.driver', 'pileus.domain')])"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert process.stdout == "['pileus.domain']\n"


def test_a_server_starts_without_http_clients_and_the_sdk() -> None:
    slow = "('httpx', 'websockets.asyncio.client', 'psycopg', 'openstack', 'gcore', 'rich')"
    program = f"import sys, pileus.app; print([name for name in sys.modules if name in {slow}])"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert process.stdout == "[]\n"


def test_a_file_that_is_missing_or_not_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingError, match=r"missing: the settings cannot be read: No such file or directory"):
        load({}, {}, tmp_path / "missing")
    with pytest.raises(SettingError, match=r"noise: the settings cannot be read: it is not UTF-8 text"):
        load({}, {}, tmp_path / "noise")


@pytest.mark.parametrize(
    "key", ["correct-horse", "1-correct-horse", "1_short", "_correct-horse", "1_with space", "1_ünïcödé"]
)
def test_a_key_of_the_wrong_shape_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(SettingError) as caught:
        load({}, {"PILEUS_API_KEY": key})

    assert "PILEUS_API_KEY: the setting api_key wants digits, an underscore and a secret" in str(caught.value)
    assert key not in str(caught.value)


def test_a_wrong_database_is_refused_and_its_password_not_shown() -> None:
    with pytest.raises(SettingError) as caught:
        load({}, {"PILEUS_DATABASE": "mysql://me:hunter2@db/x"})

    assert "hunter2" not in str(caught.value)
    assert "postgresql://user:password@host/name" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "displayed"),
    [
        (
            "postgresql://me:hunter2@db:5432/pileus?sslmode=require",
            f"postgresql://me:{HIDDEN}@db:5432/pileus?sslmode=require",
        ),
        ("postgresql://me@db/pileus", "postgresql://me@db/pileus"),
        ("postgresql://me:hunter2@2@db/pileus", f"postgresql://me:{HIDDEN}@db/pileus"),
        ("postgresql://db/pileus?user=me&password=hunter2", f"postgresql://db/pileus?{HIDDEN}"),
        ("postgresql://me:hunter2/3@db/pileus", HIDDEN),
        ("postgresql://me:hunter2#3@db/pileus", HIDDEN),
        ("postgresql://me:hunter2@[db/pileus", HIDDEN),
        ("", ""),
    ],
)
def test_secrets_are_not_shown(url: str, displayed: str) -> None:
    settings = Settings(api_key="1_correct-horse", database=url)

    assert settings.without_secrets()["database"] == displayed
    assert settings.without_secrets()["api_key"] == HIDDEN
    assert not any(secret in repr(settings) for secret in ("horse", "hunter2"))


def test_the_data_directory_follows_the_desktop_convention(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    usual = default_data_directory()
    monkeypatch.setenv("XDG_DATA_HOME", "/srv")

    assert (usual, default_data_directory()) == (Path("/home/me/.local/share/pileus"), Path("/srv/pileus"))
    assert load({"data": "~/cloud"}, {}).data == Path("/home/me/cloud")


def test_the_example_of_a_key_is_one() -> None:
    row = next(setting for setting in SETTINGS if setting.name == "api_key")

    assert TOKEN.fullmatch(row.wants.split()[-1])


def test_the_roles_of_keys_are_those_of_the_program() -> None:
    output = CliRunner().invoke(pileus, ["keys", "create", "--help"]).output

    of_tenants = [role.value for role in Role if role != Role.OPERATORS]
    assert f"[{'|'.join(of_tenants)}]" in output
