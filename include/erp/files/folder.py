"""The place that the ERP and we share: a folder on a disk, a share, an SFTP server; whatever fsspec reaches.

A file is never there in part: it is written beside its place, made durable, and renamed. Nothing here makes a folder: a path
that is mistyped, or a share that is not mounted, must not look like an empty one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL
from upath import UPath

from include.financials.exceptions import ConfigurationError, NotPermitted, RetryLater

RENAMES = frozenset(("file", "local", "sftp", "ssh", "smb"))
"""Where a rename within a folder is one act: only there may files be dropped. A store of objects copies and deletes."""
PART = ".part"
"""Ends the name of a file that is not yet where it belongs; nobody's import looks for it."""
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Stat:
    """A file as it lies there; another version of it is another stat."""

    path: str
    """Within the root."""
    size: int
    modified: datetime
    mark: str = ""
    """What else the system has that changes with the file: size and time may stay."""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


class Folder:
    """:param address: of the folder in which the others are: a path, or an address of fsspec (``sftp://user:password@host/path``);
    never logged. :attr:`label` is the same without a password."""

    def __init__(self, address: Any) -> None:
        if isinstance(address, URL):
            address = (address.database or "") if address.host is None else address.render_as_string(hide_password=False)
        self.label = without_password(str(address))
        with self._reaching("address"):
            self.root = _opened(address)

    @property
    def protocol(self) -> str:
        return str(self.root.protocol or "file")

    def close(self) -> None:
        """fsspec keeps connections itself, one for each address and process."""

    # -- looking

    def has(self, folder: str) -> bool:
        found = self._info(folder)
        return found is not None and found["type"] == "directory"

    def require(self, folder: str, place: str) -> None:
        """Raises ConfigurationError where the folder is not there."""
        if not self.has(folder):
            raise ConfigurationError(
                f"{place}: there is no folder {folder} in {self.label}. Look whether the share is mounted and the path is right; "
                "folders are made by a person, never by a run."
            )

    def files(self, folder: str, pattern: str = "*") -> list[Stat]:
        """Those whose name is of the pattern, by name. What is not complete yet is left out."""
        found = []
        with self._reaching(folder):
            for path in (self.root / folder).iterdir():
                if fnmatchcase(path.name, pattern) and not path.name.endswith(PART) and path.is_file():
                    found.append(self._stat(f"{folder}/{path.name}", path))
        return sorted(found, key=lambda one: one.path)

    def _stat(self, name: str, path: Any) -> Stat:
        info = path.fs.info(path.path)
        modified: datetime = path.fs.modified(path.path)
        mark = " ".join(str(info.get(key)) for key in ("ino", "created", "ETag"))
        return Stat(name, int(info["size"]), modified if modified.tzinfo else modified.replace(tzinfo=UTC), mark)

    def exists(self, path: str) -> bool:
        return self._info(path) is not None

    def _info(self, path: str) -> Mapping[str, Any] | None:
        """None: it is not there. fsspec's own questions say so as well of what could not be asked."""
        with self._reaching(path):
            place = self.root / path
            try:
                found: Mapping[str, Any] = place.fs.info(place.path)
            except FileNotFoundError:
                return None
            return found

    def read(self, path: str) -> bytes:
        with self._reaching(path):
            content: bytes = (self.root / path).read_bytes()
            return content

    # -- writing

    def write(self, path: str, content: bytes) -> None:
        """Durable and whole, or not at all. Raises RetryLater where nobody knows whether it is in its place."""
        self.prepare(path, content)
        try:
            self.publish(path)
        except OSError as error:
            raise self.later(path, error) from error

    def prepare(self, path: str, content: bytes) -> None:
        """Everything but the rename. On a disk nobody else may write to it, whatever the umask says: who imports it reads it."""
        part = self.root / (path + PART)
        with self._reaching(path), part.open("wb") as file:
            if self._is_local:
                with suppress(PermissionError):  # a share that is mounted there keeps rights of its own
                    os.fchmod(file.fileno(), stat.S_IMODE(os.fstat(file.fileno()).st_mode) & ~_OTHERS_WRITE)
            file.write(content)
            file.flush()
            if self._is_local:
                os.fsync(file.fileno())

    def publish(self, path: str) -> None:
        """The rename of what was prepared: from now on others see it. Raises FileNotFoundError where nothing is prepared."""
        part, whole = self.root / (path + PART), self.root / path
        try:
            part.fs.mv(part.path, whole.path)
        except Exception as error:
            if isinstance(error, OSError) or not _of_client(error):
                raise
            raise OSError(str(error)) from error
        if self._is_local:
            handle = os.open(whole.parent.path, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def later(self, path: str, error: OSError) -> RetryLater:
        return RetryLater(f"{self.label}: {path} cannot be put in its place ({_plainly(error)})")

    def prepared(self, path: str) -> bool:
        return self.exists(path + PART)

    def discard(self, path: str) -> None:
        """What was prepared is not wanted any more."""
        self.remove(path + PART)

    def remove(self, path: str) -> None:
        with self._reaching(path):
            (self.root / path).unlink(missing_ok=True)

    @property
    def _is_local(self) -> bool:
        return self.protocol in ("file", "local")

    @contextmanager
    def _reaching(self, what: str) -> Iterator[None]:
        """What a file system says of itself, as what is to be done."""
        try:
            yield
        except PermissionError as error:
            raise NotPermitted(
                f"{self.label}: {what} may not be opened ({_plainly(error)}). Grant our account the right."
            ) from error
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ConfigurationError(
                f"{self.label}: {what} is not there ({_plainly(error)}). Look whether the share is mounted and the path is right."
            ) from error
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"{self.label}: cannot be opened: {_plainly(error)}") from error
        except OSError as error:
            raise RetryLater(f"{self.label}: {what} cannot be reached ({_plainly(error)})") from error
        except Exception as error:
            if not _of_client(error):
                raise
            if "Authentication" in type(error).__name__:
                raise ConfigurationError(f"{self.label}: login or password is wrong ({_plainly(error)})") from error
            raise RetryLater(f"{self.label}: {what} cannot be reached ({_plainly(error)})") from error


def _opened(address: Any) -> Any:
    """Login and password go beside the address, as they are: in it they are percent-encoded, and fsspec would leave them so."""
    parts = urlsplit(str(address))
    if parts.username is None:
        return UPath(address)
    place = parts.hostname or ""
    given = {"username": parts.username, "password": parts.password}
    more: dict[str, Any] = {name: unquote(value) for name, value in given.items() if value is not None}
    if parts.port is not None:
        more["port"] = parts.port
    return UPath(parts._replace(netloc=place).geturl(), **more)


def _of_client(error: Exception) -> bool:
    """Of a package that speaks to a server: those have errors of their own, which are no OSError."""
    return isinstance(error, EOFError) or type(error).__module__.partition(".")[0] in ("paramiko", "smbprotocol", "spnego")


def _plainly(error: Exception) -> str:
    """The system's own word for it, which has no address in it."""
    return str(getattr(error, "strerror", None) or type(error).__name__ if isinstance(error, OSError) else error)


def without_password(address: str) -> str:
    parts = urlsplit(address)
    if parts.password is None:
        return address
    return parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", ":***@"), query="").geturl()
