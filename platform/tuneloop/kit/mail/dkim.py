"""DKIM (RFC 6376): a signature over the message that the sender's domain publishes the key for."""

import time
from base64 import b64encode
from typing import NamedTuple

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tuneloop.kit.errors import InvalidInput

HEADERS = (b"from", b"to", b"reply-to", b"subject", b"date", b"message-id", b"list-unsubscribe")


class DkimKey(NamedTuple):
    """`private_key` is PEM (RSA)."""

    domain: str
    selector: str
    private_key: bytes

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


class NewKey(NamedTuple):
    key: DkimKey
    dns_name: str
    dns_value: str


def new_dkim_key(domain: str, selector: str | None = None) -> NewKey:
    """A fresh 2048-bit RSA key and the TXT record that publishes it."""
    selector = selector or f"tuneloop{time.strftime('%Y%m', time.gmtime())}"
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return NewKey(
        DkimKey(domain, selector, pem),
        f"{selector}._domainkey.{domain}",
        f"v=DKIM1; k=rsa; p={b64encode(public).decode()}",
    )
