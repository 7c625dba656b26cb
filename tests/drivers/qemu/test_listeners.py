"""Test what listeners read: HTTP for L7 policies, TLS, addresses and passwords."""

from pathlib import Path

from msgspec.structs import replace

from pileus.domain.load_balancers.listeners import ListenerUser
from pileus.drivers.protocols.load_balancers import (
    TlsTexts,
)
from tests.certificates import make_certificate
from tests.drivers.qemu.balanced import (
    SITE,
    VIP,
    Site,
    a_listener,
    a_member,
    a_monitor,
    a_policy,
    a_pool,
    a_rule,
    status,
    three_guests,
    until_status,
)

HASH_OF_SECRET = "$5$salt1234$JR6dBKbsnBZUberntG.C1thHq3lbqZS1ZQECPMdkD3/"


async def test_the_first_policy_whose_rules_match_decides(site: Site) -> None:
    first, second, client = await three_guests(site)
    other = a_pool()
    balancer = site.load_balancer(first)
    (listener,) = balancer.listeners
    strange = "50% 'of' \"all\" $HOME \\ #x"
    header = ("X-It's$HOME%20odd", strange)
    policies = [
        a_policy(listener, 1, action="REDIRECT_TO_POOL", redirect_pool_id=other.id),
        a_policy(listener, 2, action="REJECT"),
        a_policy(listener, 3, action="REJECT"),
        a_policy(listener, 4, action="REDIRECT_TO_URL", redirect_url="https://a.example/%7Eall?a=b"),
        a_policy(listener, 5, action="REDIRECT_PREFIX", redirect_prefix="https://b.example", redirect_http_code=301),
    ]
    rules = [
        a_rule(policies[0], "PATH", "STARTS_WITH", "/api"),
        a_rule(policies[1], "PATH", "STARTS_WITH", "/api"),
        a_rule(policies[1], "HEADER", "EQUAL_TO", strange, key=header[0]),
        a_rule(policies[2], "HEADER", "EQUAL_TO", strange, key=header[0]),
        a_rule(policies[3], "FILE_TYPE", "EQUAL_TO", "jpg"),
        a_rule(policies[4], "HOST_NAME", "REGEX", r"^(old|former)\.example$"),
    ]
    await site.qemu.ensure_load_balancer(
        replace(
            balancer,
            pools=[*balancer.pools, other],
            members=[*balancer.members, a_member(other, second)],
            l7_policies=policies[::-1],
            l7_rules=rules,
        )
    )
    sent = ("-H", ": ".join(header))

    assert client.get(f"{SITE}/api/x", *sent)["name"] == "two"
    assert client.get(f"{SITE}/")["name"] == "one"
    assert client.status(f"{SITE}/", *sent) == "403"
    assert client.status(f"{SITE}/a.jpg") == "302 https://a.example/%7Eall?a=b"
    assert client.status(f"{SITE}/x", "-H", "Host: OLD.example:80") == "301 https://b.example/x"


async def test_the_certificate_is_chosen_by_the_name_of_the_server(site: Site, tmp_path: Path) -> None:
    first, _, client = await three_guests(site)
    pool, certificates = a_pool(), {name: make_certificate(name) for name in ("a.example", "b.example")}
    listener = a_listener(
        protocol="TERMINATED_HTTPS",
        protocol_port=443,
        default_pool_id=pool.id,
        secret_id="a.example",
        sni_secret_ids=["b.example"],
        insert_x_forwarded=True,
    )
    tls = TlsTexts(
        certificates={name: certificate.text + certificate.private_key for name, certificate in certificates.items()}
    )
    balancer = site.load_balancer(listeners=[listener], pools=[pool], members=[a_member(pool, first)], tls=tls)
    await site.qemu.ensure_load_balancer(balancer)
    for name, certificate in certificates.items():
        (tmp_path / name).write_text(certificate.text)
        trust = ("--cacert", str(tmp_path / name), "--resolve", f"{name}:443:{VIP}")

        assert client.get(f"https://{name}/", *trust)["headers"]["x-forwarded-proto"] == "https"


async def test_the_certificate_of_a_member_is_verified(site: Site, tmp_path: Path) -> None:
    certificate = make_certificate("member.example")
    (tmp_path / "one.pem").write_text(certificate.text + certificate.private_key)
    first, client = await site.add_guest("one", "10.0.0.11"), await site.add_guest("client", "10.0.0.100")
    pool = a_pool(protocol="HTTPS", ca_secret_id="ca")
    listener = a_listener(default_pool_id=pool.id)
    member = replace(a_member(pool, first), protocol_port=443)
    balancer = site.load_balancer(listeners=[listener], pools=[pool], members=[member])
    await site.qemu.ensure_load_balancer(replace(balancer, tls=TlsTexts(authorities={"ca": certificate.text})))
    trusted = client.status(f"{SITE}/")
    other = make_certificate("member.example").text
    await site.qemu.ensure_load_balancer(replace(balancer, tls=TlsTexts(authorities={"ca": other})))

    assert (trusted, client.status(f"{SITE}/")) == ("200", "503")


async def test_encrypted_connections_pass_through_while_their_member_greets(site: Site, tmp_path: Path) -> None:
    certificate = make_certificate("a.example")
    (tmp_path / "one.pem").write_text(certificate.text + certificate.private_key)
    (tmp_path / "authority").write_text(certificate.text)
    first, client = await site.add_guest("one", "10.0.0.11"), await site.add_guest("client", "10.0.0.100")
    pool = a_pool(protocol="HTTPS")
    listener = a_listener(protocol="HTTPS", protocol_port=443, default_pool_id=pool.id)
    members = [replace(a_member(pool, first), protocol_port=port) for port in (443, 80)]
    balancer = site.load_balancer(
        listeners=[listener],
        pools=[pool],
        members=members,
        health_monitors=[a_monitor(pool, type="TLS-HELLO")],
    )
    await site.qemu.ensure_load_balancer(balancer)
    await until_status(site, balancer, 1, "ERROR")
    trust = ("--cacert", str(tmp_path / "authority"), "--resolve", f"a.example:443:{VIP}")

    assert client.get("https://a.example/", *trust)["name"] == "one"
    assert await status(site, balancer, 0) == "ONLINE"


async def test_a_listener_is_only_for_those_whom_it_allows(site: Site) -> None:
    first, _, client = await three_guests(site)
    balancer = site.load_balancer(first)
    (listener,) = balancer.listeners
    user = ListenerUser("it is me", HASH_OF_SECRET)
    ranges = [f"10.1.{number}.0/24" for number in range(99)] + ["10.0.0.100/32"]
    await site.qemu.ensure_load_balancer(
        replace(balancer, listeners=[replace(listener, allowed_cidrs=ranges, user_list=[user])])
    )

    assert client.status(f"{SITE}/", "-u", "it is me:secret") == "200"
    assert client.status(f"{SITE}/", "-u", "it is me:wrong") == "401"
    assert client.status(f"{SITE}/", "--interface", "10.0.0.101", "-u", "it is me:secret") == "000"
