"""The HTTP client of the OpenAI completions protocol: one URL, and nothing else is reached."""

import ipaddress
import os
import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx

from medtune.errors import EvaluationError, RecipeError

KEY_VARIABLE = "MEDTUNE_SERVER_KEY"
"""Environment variable with the key to a server that wants one."""
ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
TIMEOUT = httpx.Timeout(30.0, connect=10.0, read=900.0, pool=None)
"""In seconds. An answer may be a long text by a slow server that has others to answer first."""
PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP statuses of a server that is busy or starting; 500 also of one that cannot do it."""
QUOTED = 12
"""Characters of a prompt in a message of the server that are no chance."""


class Refused(EvaluationError):
    """The server answers that it cannot or will not."""


class Client:
    """Asks one URL and nothing else, patiently, and never tells the key.

    Raises:
        EvaluationError: It is on another machine and that is not allowed (``offline``).
        RecipeError: The URL is not one.
    """

    def __init__(self, url: str, *, connections: int, offline: bool) -> None:
        parsed = parsed_url(url)
        self.url = str(parsed.copy_with(username=None, password=None)).rstrip("/")
        if offline and not is_loopback(parsed.host):
            raise EvaluationError(
                f"{self.url}: --offline keeps medtune from asking another machine; serve the "
                "model on this one (127.0.0.1), or let medtune load it"
            )
        key = os.environ.get(KEY_VARIABLE, "")
        self._secrets = [secret for secret in (key, parsed.password) if secret]
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else None,
            auth=(parsed.username, parsed.password) if parsed.username else None,
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=connections),
            # The machine's certificates, and no proxy or .netrc: both would involve others.
            verify=ssl.create_default_context(),
            trust_env=False,
        )

    def owner_of(self, model: str) -> str:
        """What the server's list of models names as the model's owner; empty: it has no list."""
        try:
            listed = self._read("GET", "models", None).get("data")
        except Refused:
            return ""
        models = [each for each in listed or [] if isinstance(each, dict)]
        for each in models:
            if model == each.get("id") or model in (each.get("aliases") or []):
                return str(each.get("owned_by"))
        raise EvaluationError(
            f"{self.url}: there is no model {model}; it has "
            f"{', '.join(str(each.get('id')) for each in models) or 'none'}"
        )

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request for a completion."""
        return self._read("POST", "completions", body)

    def _read(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        response = self._send(method, f"{self.url}/{path}", body)
        if response.status_code in (401, 403):
            raise EvaluationError(
                f"{self.url}: the server does not let us in (HTTP {response.status_code}); set "
                f"{KEY_VARIABLE} to a key that it takes"
            )
        if response.status_code != httpx.codes.OK:
            raise Refused(
                f"{self.url}/{path}: HTTP {response.status_code}{self._said(response, body)}"
            )
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise EvaluationError(
                f"{self.url}/{path}: the answer is no JSON object; is the URL where the "
                "protocol's paths begin (often it ends in /v1)?"
            )
        return answer

    def _send(self, method: str, url: str, body: dict[str, Any] | None) -> httpx.Response:
        """The first answer that is not a passing one, or the last of several that are."""
        problem = ""
        for attempt in range(1, ATTEMPTS + 1):
            wait = FIRST_WAIT_SECONDS * 2 ** (attempt - 1)
            try:
                response = self._http.request(method, url, json=body)
            except httpx.ReadTimeout:
                raise EvaluationError(
                    f"{self.url}: no answer in {TIMEOUT.read:.0f} s; ask for less at once "
                    "(a smaller batch size)"
                ) from None
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            else:
                if response.status_code not in PASSING or attempt == ATTEMPTS:
                    return response
                told = response.headers.get("Retry-After", "")
                wait = max(wait, float(told)) if told.isdecimal() else wait
            if attempt < ATTEMPTS:
                time.sleep(min(wait, LONGEST_WAIT_SECONDS))
        raise EvaluationError(
            f"{self.url}: the server cannot be reached, after {ATTEMPTS} attempts ({problem}); "
            "is it running, and is this its address? Answers until now are kept"
        )

    def _said(self, response: httpx.Response, body: Mapping[str, Any] | None) -> str:
        """What the server says of its refusal; not where it quotes the prompt, maybe private."""
        if response.is_redirect:
            return ": it sends elsewhere, where medtune does not go; give that URL instead"
        try:
            answer = response.json()
            error = answer.get("error", answer)
            message = str(error["message"] if isinstance(error, dict) else error)
        except (AttributeError, KeyError, ValueError):
            return ""
        for secret in self._secrets:
            message = message.replace(secret, "***")
        prompt = (body or {}).get("prompt", "")
        whole = prompt if isinstance(prompt, str) else str(prompt)[1:-1]
        pieces = (whole[n : n + QUOTED] for n in range(max(1, len(whole) - QUOTED + 1)))
        if any(piece and piece in message for piece in pieces):
            return ": what it says quotes the prompt, and is not shown"
        return f": it says: {message[:300]}"


def parsed_url(url: str) -> httpx.URL:
    """Where the protocol's paths begin.

    Raises:
        RecipeError: The URL cannot be that.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query:
        raise RecipeError(
            "the server's URL has to be http:// or https:// with a host, up to where the "
            "protocol's paths begin, such as http://127.0.0.1:8000/v1, and no query"
        )
    return parsed


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, told without asking a name server."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
