"""A real DNS server on loopback that knows a few records."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingUDPServer
from threading import Thread

from dns.message import from_wire, make_response
from dns.rcode import NXDOMAIN
from dns.rdatatype import AAAA, TXT, A
from dns.rrset import RRset, from_text


@contextmanager
def dns_server(texts: Mapping[str, str], addresses: Mapping[str, Sequence[str]] | None = None) -> Iterator[str]:
    """Its address, for `TUNELOOP_DNS_SERVER`. The records may change while it runs."""
    hosts = addresses if addresses is not None else {}

    class Answering(BaseRequestHandler):
        def handle(self) -> None:
            wire, socket = self.request
            asked = from_wire(wire)
            answer = make_response(asked)
            question = asked.question[0]
            name = question.name.to_text(omit_final_dot=True)
            if name not in texts and name not in hosts:
                answer.set_rcode(NXDOMAIN)
            elif question.rdtype == TXT and name in texts:
                answer.answer.append(_text(name, texts[name]))
            elif question.rdtype in (A, AAAA):
                answer.answer += _addresses(name, question.rdtype == AAAA, hosts.get(name, ()))
            socket.sendto(answer.to_wire(), self.client_address)

    with ThreadingUDPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def _text(name: str, text: str) -> RRset:
    strings = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
    return from_text(f"{name}.", 60, "IN", "TXT", strings)


def _addresses(name: str, six: bool, addresses: Sequence[str]) -> list[RRset]:
    fitting = [address for address in addresses if (":" in address) == six]
    return [from_text(f"{name}.", 60, "IN", "AAAA" if six else "A", *fitting)] if fitting else []
