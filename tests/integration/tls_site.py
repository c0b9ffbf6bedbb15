"""A scripted TLS server on loopback that speaks HTTP/2, with an authority of its own."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
Script = Callable[["Http2Connection"], Awaitable[None]]


class Authority:
    """Issues certificates that only those believe who have its file."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        own = self._builder(self._name, self._key, DAY).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self._certificate = own.sign(self._key, hashes.SHA256())
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def server_context(
        self,
        host: str = "127.0.0.1",
        *,
        expires_in: datetime.timedelta = DAY,
        alpn: tuple[str, ...] = ("h2",),
    ) -> ssl.SSLContext:
        """What a server for ``host`` needs; it speaks the protocols of ``alpn``."""
        try:
            name: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "outlet")])
        certificate = (
            self._builder(subject, key, expires_in)
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        file = self._folder / f"leaf-{certificate.serial_number}.pem"
        file.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.set_alpn_protocols(list(alpn))
        return context

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, expires_in: datetime.timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(min(now, now + expires_in) - DAY)
            .not_valid_after(now + expires_in)
        )


class Http2Connection:
    """The server's side of one connection whose request has come in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        config = h2.config.H2Configuration(
            client_side=False, validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.state = h2.connection.H2Connection(config)
        self.headers: dict[str, str] = {}
        self.stream = 0

    async def take_request(self) -> None:
        """Read until the request is whole."""
        self.state.initiate_connection()
        await self.flush()
        while not self.stream:
            for event in self.state.receive_data(await self._read()):
                if isinstance(event, h2.events.RequestReceived):
                    self.headers = {k.decode(): v.decode() for k, v in event.headers}
                elif isinstance(event, h2.events.StreamEnded):
                    self.stream = event.stream_id
            await self.flush()

    async def flush(self) -> None:
        """Send what the protocol's state has to say."""
        await self.send(self.state.data_to_send())

    async def send(self, frames: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(frames)
        await self._writer.drain()

    async def send_for_ever(self, frames: bytes) -> None:
        """Until the other side has gone."""
        while True:
            await self.send(frames)

    async def until_closed(self) -> None:
        """Say nothing until the other side has gone."""
        while await self._reader.read(65_536):
            pass

    async def answer(
        self, body: bytes = b"", status: str = "200", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """A whole answer."""
        head = [(":status", status), *headers]
        self.state.send_headers(self.stream, head, end_stream=not body)
        for at in range(0, len(body), 16_384):
            self.state.send_data(self.stream, body[at : at + 16_384])
        if body:
            self.state.end_stream(self.stream)
        await self.flush()

    async def _read(self) -> bytes:
        data = await self._reader.read(65_536)
        if not data:
            raise ConnectionResetError
        return data


async def settled(server: asyncio.Server) -> None:
    """Until the last connection is let go, those that failed in the handshake as well."""
    async with asyncio.timeout(10):
        await server.wait_closed()
        # A connection that was accepted last is counted a few turns of the loop later.
        for _ in range(10):
            await asyncio.sleep(0)
        # Python 3.11 does not wait for connections there.
        while getattr(server, "_active_count", 0):  # noqa: ASYNC110
            await asyncio.sleep(0)


class TlsSite:
    """Answers each connection by ``script`` once its HTTP/2 request has come in."""

    def __init__(self, context: ssl.SSLContext, script: Script) -> None:
        self._context = context
        self._script = script
        self.requests: list[dict[str, str]] = []
        self._at_work: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in tuple(self._at_work):
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)
        await settled(self._server)

    @property
    def allowed(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"https://{self.allowed}/rss"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._at_work.add(task)
        connection = Http2Connection(reader, writer)
        try:
            with suppress(OSError, asyncio.CancelledError):
                await connection.take_request()
                self.requests.append(connection.headers)
                await self._script(connection)
        finally:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
            self._at_work.discard(task)
