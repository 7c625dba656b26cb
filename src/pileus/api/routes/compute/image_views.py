"""Images, made into what the API shows."""

from collections.abc import Iterable

from msgspec.structs import replace

from pileus.api.context import RequestContext
from pileus.api.wire.compute.images import ImageView, LegacyImageView
from pileus.domain.account import prices
from pileus.domain.compute.images import Image
from pileus.domain.tags import Tag


def show(ctx: RequestContext, image: Image, its: Iterable[Tag], *, with_prices: bool) -> ImageView:
    """Show an image, with what keeping it costs if that is asked for; a public one costs nothing."""
    shown = LegacyImageView if ctx.app.legacy_fields else ImageView
    view = shown.of(image, its, ctx.region().display_name, ctx.place.project_id)
    if not with_prices:
        return view
    catalogue = ctx.catalogue
    price = prices.of_image(catalogue, 0 if image.client_id is None else image.size or 0)
    return replace(
        view,
        currency_code=catalogue.currency,
        price_status="show",
        price_per_hour=float(prices.format_amount(price.per_hour)),
        price_per_month=float(prices.format_amount(price.per_month)),
    )
