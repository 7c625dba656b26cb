"""Secrets: list, create, read and delete them."""

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx
from pileus.api.paging import Limit, Offset
from pileus.api.wire.network.secret_requests import CreateCertificate, CreateSecret
from pileus.api.wire.network.secrets import SecretView
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.services.network import secrets as secret_service
from pileus.services.network.secret_payloads import read_certificate_payload, read_encoded_payload
from pileus.store.account import projects
from pileus.store.loop_turns import build_in_turns
from pileus.store.network import secrets

PLACE = "{project_id:int}/{region_id:int}"
ALL = f"/cloud/v1/secrets/{PLACE}"
ONE = f"{ALL}/{{secret_id:str}}"


@get(ALL, opt=READ, tags=["Secrets"])
async def list_secrets(ctx: Ctx, limit: Limit = 1000, offset: Offset = 0) -> Page[SecretView]:
    """List secrets without their payloads, oldest first."""
    ctx.require_region()
    now = ctx.now()
    async with ctx.db.scan() as tx:
        place = await projects.require_existing(tx, ctx.place)
        count, page = await secrets.page(tx, place, limit=limit, offset=offset)
    return Page(count=count, results=await build_in_turns(SecretView.of(secret, now) for secret in page))


@post(f"/cloud/v2/secrets/{PLACE}", opt=WRITE, status_code=200, tags=["Secrets"])
async def upload_certificate(ctx: Ctx, data: JSONBody[CreateCertificate]) -> TaskIds:
    """Save a certificate with its private key, for the listeners of load balancers.

    The private key must fit the certificate and have no password. The payload is encrypted, and never shown again.
    """
    facts, payload = data.to_facts(), data.payload
    texts = read_certificate_payload(payload.certificate, payload.private_key, payload.certificate_chain)
    return await ctx.submit_task(lambda tx, task_id: secret_service.create_secret(tx, ctx, facts, texts, task_id))


@post(ALL, opt=WRITE, status_code=200, deprecated=True, tags=["Secrets"])
async def create_secret(ctx: Ctx, data: JSONBody[CreateSecret]) -> TaskIds:
    """Save a secret of any type, in base64: certificates of authorities and lists of revoked certificates as well.

    A certificate with its private key is a PKCS#12 file without a password, or PEM. Deprecated: use version 2 for
    certificates.
    """
    facts = data.to_facts()
    payload = await read_encoded_payload(data.secret_type, data.payload)
    return await ctx.submit_task(lambda tx, task_id: secret_service.create_secret(tx, ctx, facts, payload, task_id))


@get(ONE, opt=READ, tags=["Secrets"])
async def get_secret(ctx: Ctx, secret_id: FromPath[str]) -> SecretView:
    """Get a secret without its payload."""
    async with ctx.db.read() as tx:
        return SecretView.of(await secrets.get(tx, ctx.place, secret_id), ctx.now())


@delete(ONE, opt=WRITE, status_code=200, tags=["Secrets"])
async def delete_secret(ctx: Ctx, secret_id: FromPath[str]) -> TaskIds:
    """Delete a secret. The answer is 400 while a listener or a pool of a load balancer uses it."""
    return await ctx.submit_task(lambda tx, task_id: secret_service.delete_secret(tx, ctx, secret_id, task_id))


ROUTES = [list_secrets, upload_certificate, create_secret, get_secret, delete_secret]
