"""Look up the TXT records of a domain."""

from dns.exception import DNSException
from dns.rdtypes.ANY.TXT import TXT
from dns.resolver import NXDOMAIN, NoAnswer, Resolver

from tuneloop.kit.errors import Unavailable

PATIENCE_SECONDS = 10.0


def text_records(name: str, *, server: str = "") -> list[str]:
    """The TXT records at `name`, asked of `server` ("ADDRESS:PORT") or of the machine's resolver.

    Raises:
        Unavailable: nobody answers.
    """
    resolver = Resolver(configure=not server)
    if server:
        address, _, port = server.rpartition(":")
        resolver.nameservers, resolver.port = [address], int(port)
    try:
        answer = resolver.resolve(name, "TXT", lifetime=PATIENCE_SECONDS)
    except (NXDOMAIN, NoAnswer):
        return []
    except DNSException as error:
        raise Unavailable(f"the DNS does not say what {name} is: {error}") from error
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer if isinstance(record, TXT)]
