"""One request over HTTP with the standard library: what came back, or why nothing whole did.

No retry, no cache, no judgement of the status: that is the door's.  Redirects are followed
on the same host only.  Proxies are those of the environment (``https_proxy``).
"""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urljoin, urlsplit

from llmsyn import __version__
from llmsyn.egress.requests import Failure, Outgoing, Reply, Service

_MAX_HOPS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_BLOCK = 1 << 16


def send(outgoing: Outgoing) -> Reply | Failure:
    """Send a request and read the whole answer."""
    url = outgoing.url
    for _ in range(_MAX_HOPS + 1):
        answer = _exchange(outgoing, url)
        if not isinstance(answer, str):
            return answer
        target = _joined(url, answer)
        if target is None:
            return Failure("redirected to an address that is none", again=False)
        if outgoing.method != "GET":
            return Failure("redirected a request that carries data", again=False)
        if not _same_host(url, target):
            return Failure(f"redirected to another host ({_host(target)})", again=False)
        url = target
    return Failure(f"redirected more than {_MAX_HOPS} times", again=False)


def _exchange(outgoing: Outgoing, url: str) -> Reply | Failure | str:
    """Reply, failure, or the address that the service redirects to."""
    service = outgoing.service
    headers = {"Accept": "application/json", "User-Agent": f"llmsyn/{__version__}"}
    if outgoing.body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(
        url, data=outgoing.body, headers=headers, method=outgoing.method
    )
    deadline = time.monotonic() + service.timeout_seconds
    try:
        with _opener().open(request, timeout=service.timeout_seconds) as response:
            location = response.headers.get("Location")
            if response.status in _REDIRECTS and location:
                return str(location)
            body = _body(response, service, deadline)
    except TimeoutError:
        return Failure(f"did not answer within {service.timeout_seconds:g} s", again=True)
    except urllib.error.URLError as error:
        return _unreachable(error, service)
    except http.client.IncompleteRead:
        return Failure("broke off in the middle of its answer", again=True)
    except (http.client.HTTPException, OSError) as error:
        return Failure(f"broke the connection ({_words(error)})", again=True)
    if isinstance(body, Failure):
        return body
    return Reply(response.status, body, retry_after=response.headers.get("Retry-After"))


def _body(response: Any, service: Service, deadline: float) -> bytes | Failure:
    """All bytes of the answer, no more than allowed, before the deadline."""
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding != "identity":
        return Failure(f"answered in encoding {encoding}, which was not asked for", again=False)
    too_long = Failure(f"answered with more than {service.max_bytes:,} bytes", again=False)
    declared = _length(response)
    if declared is not None and declared > service.max_bytes:
        return too_long
    parts: list[bytes] = []
    size = 0
    while declared is None or size < declared:
        if time.monotonic() > deadline:
            raise TimeoutError
        block = response.read1(_BLOCK)
        if not block:
            break
        parts.append(block)
        size += len(block)
        if size > service.max_bytes:
            return too_long
    if declared is not None and size < declared:
        return Failure(f"broke off after {size} of {declared} bytes", again=True)
    return b"".join(parts)


def _length(response: Any) -> int | None:
    text = response.headers.get("Content-Length")
    chunked = response.headers.get("Transfer-Encoding")
    if chunked or not text or not text.isascii() or not text.isdigit():
        return None
    return int(text[:18])  # beyond that it is too long in any case


def _opener() -> urllib.request.OpenerDirector:
    """HTTP and HTTPS only: no files, no FTP, no redirects, statuses as they come."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _unreachable(error: urllib.error.URLError, service: Service) -> Failure:
    reason = error.reason
    if isinstance(reason, TimeoutError):
        return Failure(f"did not answer within {service.timeout_seconds:g} s", again=True)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Failure(f"has a certificate that does not hold ({reason.verify_message})", False)
    return Failure(f"cannot be reached ({_words(reason)})", again=True)


def _words(reason: object) -> str:
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return " ".join(text.split()) or type(reason).__name__


def _joined(url: str, location: str) -> str | None:
    """Where a redirect leads; None where that is no address."""
    try:
        target = urljoin(url, location)
        _ = urlsplit(target).port  # raises ValueError where it is no number
    except ValueError:
        return None
    clean = target.isascii() and target.isprintable() and " " not in target
    return target if clean else None


def _same_host(url: str, target: str) -> bool:
    """Same scheme, host and port, or the step from http to https on the same host."""
    before, after = urlsplit(url), urlsplit(target)
    ports = before.port, after.port
    if after.username is not None or after.hostname != before.hostname:
        return False
    if after.scheme == before.scheme:
        return ports[0] == ports[1]
    return (before.scheme, after.scheme) == ("http", "https") and ports == (None, None)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "none"
