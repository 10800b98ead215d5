"""A real DNS server on loopback that knows a few TXT records."""

from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingUDPServer
from threading import Thread

from dns.message import from_wire, make_response
from dns.rcode import NXDOMAIN
from dns.rrset import from_text


@contextmanager
def dns_server(records: dict[str, str]) -> Iterator[str]:
    """Its address, for `TUNELOOP_DNS_SERVER`. `records` may change while it runs."""

    class Answering(BaseRequestHandler):
        def handle(self) -> None:
            wire, socket = self.request
            asked = from_wire(wire)
            answer = make_response(asked)
            name = asked.question[0].name
            if (text := records.get(name.to_text(omit_final_dot=True))) is None:
                answer.set_rcode(NXDOMAIN)
            else:
                strings = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
                answer.answer.append(from_text(name, 60, "IN", "TXT", strings))
            socket.sendto(answer.to_wire(), self.client_address)

    with ThreadingUDPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
