"""Whose certificates are believed, and what is wrong with one that is not."""

from __future__ import annotations

import ssl
from enum import StrEnum
from pathlib import Path
from typing import Final

import certifi
import httpcore

from connectors.feeds.http.network import NameLookupError, TlsError


class Cause(StrEnum):
    """Why there was no connection, or why it did not last."""

    NAME = "name"
    """The host name has no address."""
    CONNECT = "connect"
    """Nobody answers there."""
    CERTIFICATE = "certificate"
    """It is not one that we trust for this host: the publisher's fault, or somebody between us."""
    TLS = "tls"
    BROKEN_OFF = "broken_off"


# X509_V_ERR_… of OpenSSL (x509_vfy.h): what a publisher or an operator can do something about.
_CERTIFICATE: Final = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is signed by itself",
    19: "the certificate is signed by an authority that we do not trust",
    20: "the certificate is signed by an authority that we do not trust",
    21: "the certificate cannot be checked: the server leaves out the one between",
    23: "the certificate has been revoked",
    62: "the certificate is for another host",
    64: "the certificate is for another address",
}


def trust_store(ca_file: Path | None = None) -> ssl.SSLContext:
    """The system's trusted authorities, certifi's, and those in ``ca_file`` (PEM). Takes 20 ms.

    Raises:
        OSError: the file cannot be read, or has no certificate (`ssl.SSLError` is one).
    """
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def cause_of(error: httpcore.NetworkError) -> tuple[Cause, str]:
    """Why a connection failed, as a word and in words; never a text of the server's."""
    if isinstance(error, NameLookupError):
        return Cause.NAME, "the host name has no address"
    below = error.__cause__
    if isinstance(below, ssl.SSLCertVerificationError):
        why = _CERTIFICATE.get(below.verify_code, "the certificate cannot be trusted")
        return Cause.CERTIFICATE, why
    if isinstance(error, TlsError) or isinstance(below, ssl.SSLError):
        return Cause.TLS, "no TLS connection that both sides agree on"
    if isinstance(error, httpcore.ConnectError):
        return Cause.CONNECT, "nobody answers at the address"
    return Cause.BROKEN_OFF, "the connection broke off"
