"""LocalStack's web server, bound to the address it was told.

LocalStack drops the host of an IPv4 address and listens on every interface: whoever is on the same network
could then use the emulated account.
"""

import logging
import os
from typing import Any, Final

from rolo.gateway import Gateway
from rolo.serving.twisted import TwistedGateway
from twisted.internet import endpoints, reactor, ssl, tcp

from bench.engine import TLSMultiplexerFactory, TwistedRuntimeServer, config

LOG = logging.getLogger(__name__)
# EX_UNAVAILABLE of sysexits.h: tells the target to try another port.
PORT_TAKEN_STATUS: Final = 69
RECEIVE_BYTES: Final = 1 << 18


class LoopbackRuntimeServer(TwistedRuntimeServer):  # type: ignore[misc] # LocalStack is untyped here
    """LocalStack's Twisted server, each endpoint on the one interface that `GATEWAY_LISTEN` names."""

    def register(
        self,
        gateway: Gateway,
        listen: list[config.HostAndPort],
        ssl_creds: tuple[str, str] | None = None,
    ) -> None:
        """Listen as LocalStack's own server does, HTTP and TLS on one port, on the hosts in ``listen`` only."""
        protocol_factory: Any = TwistedGateway(gateway)
        # LocalStack reads bodies itself; that Twisted looks for forms in them costs a seventh of the server's time.
        protocol_factory._parsePOSTFormSubmission = False  # noqa: SLF001 - Site's argument, which the gateway withholds
        # Bodies of megabytes arrive in pieces as large as this.
        tcp.Server.bufferSize = RECEIVE_BYTES
        if ssl_creds:
            certificate, key = ssl_creds
            context_factory = ssl.DefaultOpenSSLContextFactory(key, certificate)
            context_factory.getContext().use_certificate_chain_file(certificate)
            protocol_factory = TLSMultiplexerFactory(context_factory, isClient=False, wrappedFactory=protocol_factory)
        for address in listen:
            endpoint = (
                endpoints.TCP6ServerEndpoint if config.is_ipv6_address(address.host) else endpoints.TCP4ServerEndpoint
            )
            listening = endpoint(reactor, address.port, interface=address.host).listen(protocol_factory)
            # Left alone, a taken port is a line in the log and a server that serves nobody, for ever.
            listening.addErrback(_give_up)


def _give_up(failure: Any) -> None:
    LOG.error("cannot listen: %s", failure.getErrorMessage())
    logging.shutdown()
    os._exit(PORT_TAKEN_STATUS)
