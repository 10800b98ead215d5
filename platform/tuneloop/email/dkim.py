"""DKIM (RFC 6376): a signature over the message that the sender's domain publishes the key for."""

import time
from base64 import b64encode
from collections.abc import Iterable
from typing import NamedTuple

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from tuneloop.kit.errors import InvalidInput

HEADERS = (b"from", b"to", b"reply-to", b"subject", b"date", b"message-id", b"list-unsubscribe")


class DkimKey(NamedTuple):
    """`private_key` is PEM (RSA)."""

    domain: str
    selector: str
    private_key: bytes

    @property
    def dns_name(self) -> str:
        """Of the TXT record that publishes the key."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def dns_value(self) -> str:
        public = load_pem_private_key(self.private_key, None).public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={b64encode(der).decode()}"

    def is_published(self, records: Iterable[str]) -> bool:
        """Whether one of the TXT records at `dns_name` carries this very key."""
        return any(_public_key(record) == _public_key(self.dns_value) for record in records)

    def sign(self, raw: bytes) -> bytes:
        """The message with its signature in front.

        Raises:
            InvalidInput: the key can't be read.
        """
        present = {line.split(b":", 1)[0].lower() for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n")}
        try:
            signature: bytes = dkim.sign(
                raw,
                self.selector.encode(),
                self.domain.encode(),
                self.private_key,
                canonicalize=(b"relaxed", b"relaxed"),
                include_headers=[name for name in HEADERS if name in present],
            )
        except dkim.DKIMException as error:
            raise InvalidInput(f"the DKIM key of {self.domain} can't be used: {error}") from error
        return signature + raw


def new_dkim_key(domain: str, selector: str | None = None) -> DkimKey:
    """A fresh 2048-bit RSA key."""
    selector = selector or f"tuneloop{time.strftime('%Y%m', time.gmtime())}"
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return DkimKey(domain, selector, pem)


def _public_key(record: str) -> str:
    """The tag `p` of a key record (RFC 6376, section 3.6.1), without the white space that it may hold."""
    tags = dict(part.strip().partition("=")[::2] for part in record.split(";"))
    return "".join(tags.get("p", "").split())
