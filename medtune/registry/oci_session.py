"""Requests to an OCI registry: who asks, over which connection, and what a refusal means.

oras knows how registries ask for a login. Around it stand what it lacks: time limits, TLS on every
address but this machine's (also those that a server names for tokens and uploads), and errors of
one line that name no secret.
"""

import inspect
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from medtune.errors import RegistryError
from medtune.registry.addresses import is_loopback
from medtune.registry.checked import CheckedReader

if TYPE_CHECKING:
    from oras.provider import Registry
    from requests import PreparedRequest, Response
    from requests.adapters import BaseAdapter

CONNECT_SECONDS, READ_SECONDS = 10, 60
PAUSES = (0.3, 1.5)
"""Seconds before what may be asked twice is asked again."""
BUSY = frozenset({429, 500, 502, 503, 504})
LOGIN = "set MEDTUNE_OCI_USER and MEDTUNE_OCI_PASSWORD, or log in with docker or skopeo"


class OciSession:
    """Asks one registry, after finding out how it wants to be asked."""

    def __init__(self, host: str, place: str) -> None:
        self._host = host
        self._place = place
        address, self._is_basic = self._find_out()
        self._registry = _new_registry(
            host, place, "basic" if self._is_basic else "token", is_plain=address == "http"
        )
        _log_in(self._registry, host)

    @property
    def base(self) -> str:
        """The registry's address."""
        return f"{self._registry.prefix}://{self._host}"

    def ask(
        self, method: str, url: str, *,
        headers: Mapping[str, str] | None = None,
        body: bytes | CheckedReader | None = None,
        stream: bool = False,
    ) -> "Response":  # fmt: skip
        """Ask once; again where the server is busy or cuts, unless a body was half read.

        Raises:
            RegistryError: It cannot be reached, or refuses the login. Any other answer is returned.
        """
        pauses = () if isinstance(body, CheckedReader) else PAUSES
        for pause in pauses:
            with suppress(_Cut):
                answer = self._ask_as_user(method, url, headers, body, stream=stream)
                if answer.status_code not in BUSY:
                    return answer
                answer.close()
            time.sleep(pause)
        return self._ask_as_user(method, url, headers, body, stream=stream)

    def _ask_as_user(
        self, method: str, url: str, headers: Mapping[str, str] | None,
        body: bytes | CheckedReader | None, *, stream: bool,
    ) -> "Response":  # fmt: skip
        auth, own = self._registry.auth, dict(headers or {})
        if self._is_basic:
            if not self._has_login():
                raise RegistryError(self._no_entry())
            # oras waits for a refusal, by which a body that is a stream was read.
            own |= auth.get_auth_header()
        answer = self._ask_once(method, url, own, body, stream=stream)
        if answer.status_code == 401 and getattr(auth, "token", None):
            # The token was for less than this, or is too old; oras would keep it.
            auth.token = None
            answer = self._ask_once(method, url, dict(headers or {}), body, stream=stream)
        if answer.status_code in (401, 403):
            raise RegistryError(self._no_entry())
        return answer

    def _ask_once(
        self, method: str, url: str, headers: dict[str, str],
        body: bytes | CheckedReader | None, *, stream: bool,
    ) -> "Response":  # fmt: skip
        from requests.exceptions import RequestException, SSLError

        try:
            # As oras decorates it, it sleeps for two minutes over whatever goes wrong.
            request = inspect.unwrap(type(self._registry).do_request)
            answer: Response = request(
                self._registry, url, method, data=body, headers=headers, stream=stream
            )
        except SSLError as error:
            raise RegistryError(_no_trust(self._place, error)) from None
        except RequestException as error:
            raise _Cut(
                f"{self._place} cannot be reached, or cut the connection "
                f"({type(error).__name__}); look at the network, and try again"
            ) from None
        except ValueError:  # oras has no answer to the question for a login
            raise RegistryError(self._no_entry()) from None
        return answer

    def _has_login(self) -> bool:
        return bool(getattr(self._registry.auth, "_basic_auth", None))

    def _no_entry(self) -> str:
        if not self._has_login():
            return f"{self._place} asks for a login; {LOGIN}"
        return (
            f"{self._place} refused the login; look at the user, the password, and what they may "
            "do there; nothing was changed"
        )

    def _find_out(self) -> tuple[str, bool]:
        """The registry's scheme, which on this machine may be http, and if its login is basic."""
        from requests.exceptions import RequestException, SSLError

        with _new_registry(self._host, self._place, "token", is_plain=False).session as probe:
            try:
                try:
                    answer = probe.get(f"https://{self._host}/v2/", verify=_authority())
                except SSLError as error:
                    if _is_untrusted(error) or not is_loopback(f"//{self._host}"):
                        raise RegistryError(_no_trust(self._place, error)) from None
                    answer = probe.get(f"http://{self._host}/v2/")
            except RequestException as error:
                raise RegistryError(
                    f"{self._place} cannot be reached ({type(error).__name__}); look at the "
                    "address and the network; nothing was changed"
                ) from None
        if answer.status_code not in (200, 401, 403):
            raise RegistryError(f"{self._place}: {self._host} is no OCI registry "
                                f"(it answers {answer.status_code} to /v2/)")  # fmt: skip
        wanted = answer.headers.get("WWW-Authenticate", "").lower()
        return urlsplit(answer.url).scheme, wanted.startswith("basic")


class _Cut(RegistryError):
    """No answer came; asking again may help."""


class _Careful:
    """Sends requests with a time limit, and none unencrypted to other machines."""

    def __init__(self, adapter: "BaseAdapter", place: str) -> None:
        self._adapter = adapter
        self._place = place

    def send(self, request: "PreparedRequest", **options: Any) -> "Response":  # noqa: ANN401
        url = request.url or ""
        if url.startswith("http:") and not is_loopback(url):
            raise RegistryError(f"{self._place} leads to an address without TLS; only this "
                                "machine's are spoken to without")  # fmt: skip
        options["timeout"] = options.get("timeout") or (CONNECT_SECONDS, READ_SECONDS)
        answer = self._adapter.send(request, **options)
        if answer.status_code in (401, 403):
            _ = answer.content  # oras asks again without closing this one
        return answer

    def close(self) -> None:
        self._adapter.close()


def _new_registry(host: str, place: str, login: str, *, is_plain: bool) -> "Registry":
    from oras.logger import logger
    from oras.provider import Registry
    from requests.adapters import HTTPAdapter

    logger.set_level(logging.CRITICAL + 1)  # it tells beside what we tell
    registry = Registry(
        hostname=host, insecure=is_plain, tls_verify=_authority(), auth_backend=login
    )
    careful = _Careful(HTTPAdapter(), place)
    registry.session.mount("https://", careful)
    registry.session.mount("http://", careful)
    registry.session.auth = _as_it_is  # else requests puts in what ~/.netrc has
    return registry


def _as_it_is(request: "PreparedRequest") -> "PreparedRequest":
    return request


def _log_in(registry: "Registry", host: str) -> None:
    """Credentials from the environment, or from where docker and skopeo keep them."""
    from oras.container import Container

    user, password = os.environ.get("MEDTUNE_OCI_USER"), os.environ.get("MEDTUNE_OCI_PASSWORD")
    if user and password:
        registry.auth.set_basic_auth(user, password)
        return
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    configs = [str(path) for path in [folder / "config.json"] if path.is_file()]
    try:
        registry.auth.load_configs(Container("any", registry=host), configs=configs)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise RegistryError(
            f"logins cannot be read from {folder / 'config.json'} ({type(error).__name__}); {LOGIN}"
        ) from None


def _authority() -> str | bool:
    """The file of certificates to trust; True: requests' own, or REQUESTS_CA_BUNDLE's."""
    for name in ("MEDTUNE_OCI_CA", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        if path := os.environ.get(name):
            if not Path(path).is_file():
                raise RegistryError(f"{name} names {path}, and there is no such file")
            return path
    return True


def _is_untrusted(error: Exception) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _no_trust(place: str, error: Exception) -> str:
    if _is_untrusted(error):
        return (
            f"{place} shows a certificate that no authority known here has signed; name the file "
            "of its authority in MEDTUNE_OCI_CA"
        )
    return f"{place} does not speak TLS; without, only registries on this machine are spoken to"
