"""The settings of the OpenStack driver."""

from typing import Annotated

from msgspec import Struct

from pileus.setting_fields import OPENSTACK as SECTION
from pileus.setting_fields import setting


class OpenstackSettings(Struct, frozen=True, kw_only=True):
    """Which cloud the driver works on, and how patiently."""

    config: Annotated[
        str,
        setting(
            SECTION,
            "The file with the clouds and their credentials. Empty: clouds.yaml is searched in the usual places.",
            "a path, or nothing",
        ),
    ] = ""
    cloud: Annotated[str, setting(SECTION, "The name of the cloud in clouds.yaml.", "a name")] = "openstack"
    region: Annotated[
        str, setting(SECTION, "The region of the cloud. Empty: the one that clouds.yaml names.", "a name, or nothing")
    ] = ""
    boot_image: Annotated[
        str,
        setting(
            SECTION,
            "The image that machines without a boot volume start from. Empty: they are refused.",
            "a name of an image, or nothing",
        ),
    ] = ""
    load_balancer_provider: Annotated[
        str,
        setting(
            SECTION,
            "The provider of Octavia that new load balancers get. Empty: the default one of the cloud.",
            "a name, or nothing",
        ),
    ] = ""
    request_timeout: Annotated[
        float, setting(SECTION, "Seconds that one request to OpenStack may take.", ge=1, le=600)
    ] = 60
    slot_timeout: Annotated[
        float,
        setting(SECTION, "Seconds that a task waits for OpenStack before it lets other tasks run.", ge=0, le=86400),
    ] = 60
    poll_interval: Annotated[float, setting(SECTION, "Seconds between two polls of work in progress.", ge=0, le=60)] = 1
    threads: Annotated[int, setting(SECTION, "How many requests to OpenStack run at once.", ge=1, le=256)] = 16
