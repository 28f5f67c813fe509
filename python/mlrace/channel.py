"""A process' end of its socket pair to the server: sends and receives whole messages.

A payload that does not fit into a datagram travels in a memfd that its sender has sealed. Standard
library only.
"""

import array
import fcntl
import json
import mmap
import os
import socket
from collections import namedtuple

from . import wire

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
_ANCILLARY_BYTES = socket.CMSG_SPACE(wire.MAX_FDS * array.array("i").itemsize)

# payload: a bytearray, or a private mapping that may be written to; both belong to the message
# alone. fds: the receiver's to close.
Message = namedtuple("Message", "type id payload fds")


class Channel:
    """One end of an AF_UNIX, SOCK_SEQPACKET socket pair. Blocking; for one thread."""

    def __init__(self, fd):
        """fd: becomes the channel's."""
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(True)
        self._buffer = bytearray(wire.MAX_DATAGRAM_BYTES)
        self._view = memoryview(self._buffer)

    def fileno(self):
        return self._socket.fileno()

    def close(self):
        self._socket.close()

    def receive(self, wait=True):
        """The next message; None when the server has closed its end.

        wait    False: raise BlockingIOError when there is none yet
        raises  WireError when it breaks the protocol, which ends the connection
        """
        flags = socket.MSG_CMSG_CLOEXEC | (0 if wait else socket.MSG_DONTWAIT)
        try:
            size, ancillary, received, _ = self._socket.recvmsg_into(
                [self._buffer], _ANCILLARY_BYTES, flags
            )
        except ConnectionError:
            return None
        if not size:
            return None
        fds = _read_fds(ancillary) if ancillary else ()
        try:
            if received & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise wire.WireError(f"a message of more than {size} bytes or {len(fds)} fds")
            with self._view[:size] as datagram:
                header = wire.read_header(datagram)
                if header.n_fds != len(fds):
                    raise wire.WireError(f"{len(fds)} file descriptors came, not {header.n_fds}")
                if header.is_in_memfd:
                    payload = _map(fds[0], header.payload_size)
                    os.close(fds[0])
                    fds = ()
                else:
                    payload = bytearray(datagram[wire.HEADER_BYTES :])
            return Message(header.type, header.id, payload, fds)
        except BaseException:
            for fd in fds:
                os.close(fd)
            raise

    def send_json(self, kind, value):
        self.send(kind, 0, json.dumps(value).encode("ascii"))

    def send(self, kind, call_id, *parts):
        """Send a message whose payload is the parts, bytes-like objects, one after the other.

        raises  BrokenPipeError, ConnectionResetError: the server has closed its end
        """
        size = sum(map(len, parts))
        if wire.HEADER_BYTES + size <= wire.MAX_DATAGRAM_BYTES:
            self._socket.send(b"".join((wire.write_header(kind, call_id, size), *parts)))
            return
        fd = _write_memfd(parts, size)
        try:
            header = wire.write_header(kind, call_id, size, is_in_memfd=True, n_fds=1)
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))
            self._socket.sendmsg([header], [rights])
        finally:
            os.close(fd)


def _read_fds(ancillary):
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def _map(fd, size):
    """A private, writable mapping of a memfd's first size bytes, which nobody can cut off."""
    try:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError:
        raise wire.WireError("a payload in a file that is no memfd") from None
    if seals & _SEALS != _SEALS:
        raise wire.WireError(f"a memfd with seals {seals:#x}, expected {_SEALS:#x}")
    held = os.fstat(fd).st_size
    if not 0 < size <= held:
        raise wire.WireError(f"a payload of {size} bytes in a memfd of {held}")
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    return mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=protection)


def _write_memfd(parts, size):
    fd = os.memfd_create("mlrace", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        for part in parts:
            with memoryview(part) as view, view.cast("B") as rest:
                done = 0
                while done < len(rest):
                    done += os.write(fd, rest[done:])
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        return fd
    except BaseException:
        os.close(fd)
        raise
