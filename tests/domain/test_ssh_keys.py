"""SSH public keys: validation and fingerprint."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pileus.domain.compute.ssh_keys import FIELD_COUNTS, md5_fingerprint
from pileus.domain.errors import Invalid

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOkWQgBaeBkyrfAiVBKe0LhVWlRf7sCe6r41HOHGGGRP"
RSA = (
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC6j9+CVsbbLYPi7wtSJ7Yug9S9J+aqNSiQ5qPYr4W0be9NAMT+thL9wlJ1A8ipsM9C515GG3ZX"
    "0GaApDg5EGzGpc3+cXT248GpuDJTBbNkcEBZqL7te1bg8P6ZjwM4ZRznLF7zjvTMieIxGqtEWEiyMnZbQfhtszW83MQdRO/WQCQaS8CtZa4lwQbD"
    "KbwOBSUBdtbweC4tYpeusq/dgHAy7EUkUZLohyiuNCeBO2NFh0nBj566Hh4z72il3RDAdawWXF2pq8gMw5/9BjPxfUaYObxzcJqHEhjkauCUwnm9"
    "Kbz0yV6oA6rDXDW0/hueljLpk1o9aUy7dIcZlydcUdXL"
)
ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDxxb2bBnR/mTK2xxcVRiQonweCIMgWHfcHNWeVY"
    "SgFI8w7CmZchhcfqXa2TefkrQKaZ1x6ZEyWxuyzPUScWiB8="
)
KNOWN = {
    ED25519: "33:5f:ee:27:45:13:f9:f2:51:56:cb:c2:b2:5c:08:da",
    RSA: "1c:f2:09:0b:a8:6d:d0:97:52:ae:79:dc:81:7e:04:6b",
    ECDSA: "e1:30:a8:07:31:5c:b9:20:8c:91:85:c2:cb:a2:d0:de",
}


def pack_fields(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def key_line(kind: str, blob: bytes) -> str:
    return f"{kind} {b64encode(blob).decode()}"


@pytest.mark.parametrize("key", list(KNOWN))
@pytest.mark.parametrize("around", ["{}", "{} me@here", "{} a comment of many words", "  {}\n", "{} x\r\n"])
def test_fingerprint_is_that_of_ssh_keygen_whatever_the_comment(key: str, around: str) -> None:
    assert md5_fingerprint(around.format(key)) == KNOWN[key]


@pytest.mark.parametrize(("kind", "count"), list(FIELD_COUNTS.items()))
def test_every_key_type_is_accepted(kind: str, count: int) -> None:
    digest = md5_fingerprint(key_line(kind, pack_fields(kind.encode(), *[b"x"] * count)))

    assert len(digest.split(":")) == 16


ED = b"ssh-ed25519"
INVALID_KEYS = [
    "", " ", "\n", "public_key", "ssh-ed25519", "ssh-ed25519 ", "ssh-unknown AAAA", f"{ED25519[:-3]}", f"{ED25519}!!",
    ED25519.split()[1], "ssh-rsa " + ED25519.split()[1], "ssh-ed25519 AAAA", "ssh-ed25519 ключ", f"{ED25519}\n{RSA}",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
    key_line("ssh-ed25519", pack_fields(ED)), key_line("ssh-ed25519", pack_fields(ED, b"")),
    key_line("ssh-ed25519", pack_fields(ED, b"x", b"y")),
    key_line("ssh-ed25519", pack_fields(ED, b"x") + b"\x00\x00"),
    key_line("ssh-ed25519", pack_fields(ED, b"x") + b"\xff\xff\xff\xff"),
]  # fmt: skip


@pytest.mark.parametrize("text", INVALID_KEYS)
def test_invalid_key_is_rejected_by_field(text: str) -> None:
    with pytest.raises(Invalid, match="Not an SSH public key") as refused:
        md5_fingerprint(text)

    assert list(refused.value.fields) == ["public_key"]


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda blob: key_line("ssh-ed25519", blob)))
def test_any_text_is_accepted_or_rejected(text: str) -> None:
    try:
        digest = md5_fingerprint(text)
    except Invalid:
        return
    assert len(digest) == 47
