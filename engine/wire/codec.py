"""Encodes and decodes the messages of `engine.wire.protocol`: one JSON document per line."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from engine.errors import AmygdalaError
from engine.wire.protocol import PROTOCOL, FromServer, Hello, Message, Request

T = TypeVar("T")
_HELLO: msgspec.json.Decoder[Hello] = msgspec.json.Decoder(Hello)
_REQUEST: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_FROM_SERVER: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)


def encode(message: Message) -> bytes:
    """The message as one line of JSON."""
    return msgspec.json.encode(message) + b"\n"


def decode_hello(line: bytes) -> Hello:
    """A client's first message; raises ProtocolError."""
    return _decode(_HELLO, line)


def decode_request(line: bytes) -> Request:
    """Any later message of a client; raises ProtocolError."""
    return _decode(_REQUEST, line)


def decode_from_server(line: bytes) -> FromServer:
    """Any message of the engine; raises ProtocolError."""
    return _decode(_FROM_SERVER, line)


def _decode(decoder: msgspec.json.Decoder[T], line: bytes) -> T:
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"not a message of protocol {PROTOCOL}: {error}") from error


class _OnlyId(msgspec.Struct):
    id: int | None = None


def request_id(line: bytes) -> int | None:
    """The id of a request that cannot be decoded; None where its id cannot be decoded either."""
    try:
        return msgspec.json.decode(line, type=_OnlyId).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class ProtocolError(AmygdalaError):
    """A line that is no message."""
