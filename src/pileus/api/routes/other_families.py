"""Operations of the public API that this server does not offer.

They answer 501, not 404, so that nobody looks for a lost resource. A route that the server offers takes precedence.
"""

from litestar import route
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler

from pileus.api.authorization import READ
from pileus.domain.errors import NotOffered

METHODS = [HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT, HttpMethod.PATCH, HttpMethod.DELETE]
VERSIONS = ("v1", "v2", "v3")
PRICES = "pricing/{project_id:int}/{region_id:int}"
PRODUCTS = {
    "CDN": ["/cdn"],
    "DNS": ["/dns"],
    "FastEdge": ["/fastedge"],
    "Accounts and users": ["/iam", "/iam/auth", "/iam/clients"],
    "Security": ["/security"],
    "Object storage": ["/storage"],
    "Streaming": ["/streaming"],
    "WAAP": ["/waap"],
}
"""Prefixes of paths of the other products, by name."""
CLOUD_FAMILIES = {
    "AI and GPU clusters": ["ai", "gpu"],
    "Billing reservations": ["reservations"],
    "Container registries": ["registries"],
    "Databases": ["dbaas"],
    "Functions": ["faas"],
    "Inference": ["inference", "inferences"],
    "Kubernetes clusters": ["k8s"],
    "Logging": ["laas"],
    "Users and their roles": ["users"],
}
"""Prefixes of paths after the version, of other families of the cloud."""
NOT_OFFERED = READ | {"offered": False}


def make_refusal_route(family: str, prefixes: list[str]) -> HTTPRouteHandler:
    """Make the route that refuses every request below some prefixes."""
    paths = [path for prefix in prefixes for path in (prefix, f"{prefix}/{{rest:path}}")]

    @route(paths, http_method=METHODS, opt=NOT_OFFERED, include_in_schema=False, status_code=501)
    async def refuse_other_family() -> None:
        """Refuse the request."""
        raise NotOffered(f"{family}: not offered by this server")

    return refuse_other_family


ROUTES = [
    *(make_refusal_route(product, prefixes) for product, prefixes in PRODUCTS.items()),
    *(
        make_refusal_route(family, [f"/cloud/{version}/{word}" for word in words for version in VERSIONS])
        for family, words in CLOUD_FAMILIES.items()
    ),
]
