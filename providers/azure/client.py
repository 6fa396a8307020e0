"""The only file that sees Azure's SDK: pages, retries, sign-in and the mapping of its errors."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from providers.azure.compute import restriction
from providers.azure.next_page import (
    PATH,
    encoded,
    first_query,
    next_query,
    read_graph_page,
    read_json,
    read_page,
)
from providers.azure.refusals import (
    GRAPH_READ,
    SKUS_READ,
    SUBSCRIPTION,
    USAGES_READ,
    advice,
    not_installed,
    refusal,
)
from providers.azure.sign_in import MANAGEMENT_ENDPOINT, SignIn, token_safe
from providers.errors import CredentialsError, Unavailable, UnexpectedPayload

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline import PipelineRequest, PipelineResponse
    from azure.mgmt.compute import ComputeManagementClient

RETAIL_ENDPOINT = "OPTIMISER_ENDPOINT_AZURE_RETAIL"

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 60
# For each answer while signing in, of which every way is tried twice.
SIGN_IN_TIMEOUT_S = 10
RETRIES = 4
# Waits between tries without a Retry-After: 0, 1.6, 3.2 and 6.4 s (azure-core doubles the factor each time).
BACKOFF_S = 0.8
# A longer Retry-After is not sat out: the region keeps its last good prices, and the next run tries again.
MOST_WAIT_S = 60
GRAPH_PATH = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01"
GRAPH_ROWS = 1000
_SCOPE = "https://management.azure.com/.default"
T = TypeVar("T")


class AzureClient:
    """Azure's Retail Prices (no sign-in) and, once one of them is asked, the interfaces of a subscription.

    Endpoints and the subscription come from the environment unless given; credential defaults to the SDK's
    standard chain. May be used from several threads. Raises SdkNotInstalled.
    """

    def __init__(
        self,
        *,
        credential: TokenCredential | None = None,
        subscription_id: str | None = None,
        retail_url: str | None = None,
        management_url: str | None = None,
    ) -> None:
        self._sign_in = SignIn(lambda: credential or self._standard_chain())
        self._subscription_id = subscription_id or os.environ.get(SUBSCRIPTION, "")
        self._retail_url = _url(retail_url, RETAIL_ENDPOINT, "https://prices.azure.com")
        self._management_url = _url(management_url, MANAGEMENT_ENDPOINT, "https://management.azure.com")
        self._opened = ExitStack()
        self._kept: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._retail = self._opened.enter_context(_pipeline(self._retail_url))

    def price_pages(self, region: str) -> Iterator[list[dict[str, Any]]]:
        """The rows of a region's GPU sizes, page by page, to the last. Raises ProviderError."""
        from azure.core.rest import HttpRequest

        where, host = f"azure/{region}", urlsplit(self._retail_url).netloc
        seen = [first_query(region)]
        while True:
            request = HttpRequest("GET", f"{self._retail_url}{PATH}?{encoded(seen[-1])}")
            with _mapped(where, ""):
                response = self._retail.send_request(request)
                body = response.content
            if response.status_code != 200:
                raise refusal(response.status_code, where, "")
            page = read_page(read_json(body, where), where)
            yield page.rows
            if not page.next_link:
                return
            seen.append(next_query(page.next_link, host, seen, where))

    def skus(self, names: Collection[str], region: str = "") -> Iterator[dict[str, Any]]:
        """What has one of names (in lower case) among all SKUs of a region ("": of all). Raises ProviderError.

        The interface filters by region alone, and reading the SDK's models is slow: others are passed over.
        """
        only = f"location eq '{region}'" if region else None
        with _mapped("azure: list of SKUs", SKUS_READ):
            for sku in self._compute().resource_skus.list(filter=only, **token_safe(self._management_url)):
                name = sku.name or ""
                if name.casefold() not in names:
                    continue
                yield {
                    "name": name,
                    "resource_type": sku.resource_type,
                    "capabilities": {item.name: item.value for item in sku.capabilities or ()},
                    "restrictions": [restriction(item) for item in sku.restrictions or ()],
                }

    def usages(self, region: str) -> Iterator[dict[str, Any]]:
        """Limit and use of every quota of the subscription in a region. Raises ProviderError."""
        with _mapped(f"azure/{region}: quotas", USAGES_READ):
            for usage in self._compute().usage.list(region, **token_safe(self._management_url)):
                yield {"name": usage.name.value, "limit": usage.limit, "used": usage.current_value}

    def graph_rows(self, query: str) -> Iterator[dict[str, Any]]:
        """What a Resource Graph query finds, all pages. Raises ProviderError."""
        from azure.core.rest import HttpRequest

        where = "azure: Resource Graph"
        options: dict[str, Any] = {"resultFormat": "objectArray", "$top": GRAPH_ROWS}
        body = {"subscriptions": [self._subscription()], "query": query, "options": options}
        client, tokens, rows = self._graph(), {""}, 0
        while True:
            request = HttpRequest("POST", f"{self._management_url}{GRAPH_PATH}", json=body)
            with _mapped(where, GRAPH_READ):
                response = client.send_request(request, **token_safe(self._management_url))
                content = response.content
            if response.status_code != 200:
                raise refusal(response.status_code, where, GRAPH_READ)
            page = read_graph_page(read_json(content, where), where)
            rows += len(page.rows)
            yield from page.rows
            if not page.next_token:
                break
            if page.next_token in tokens:
                raise UnexpectedPayload(f"{where}: the pages run in a circle")
            tokens.add(page.next_token)
            options["$skipToken"] = page.next_token
        if page.all_rows != rows:
            raise UnexpectedPayload(f"{where}: {rows} of {page.all_rows} rows came")

    def _subscription(self) -> str:
        if not self._subscription_id:
            raise CredentialsError(
                f"azure: which subscription? Set {SUBSCRIPTION} to its id (az account show --query id)"
            )
        return self._subscription_id

    def _standard_chain(self) -> TokenCredential:
        """The SDK's standard chain, which else waits up to five minutes for each way to sign in."""
        try:
            from azure.identity import DefaultAzureCredential
        except ImportError:
            raise not_installed() from None
        chain = DefaultAzureCredential(
            connection_timeout=CONNECT_TIMEOUT_S,
            read_timeout=SIGN_IN_TIMEOUT_S,
            retry_connect=1,
            retry_read=1,
        )
        self._opened.callback(chain.close)
        return chain

    def _once(self, name: str, make: Callable[[], AbstractContextManager[T]]) -> T:
        """A way to ask, opened before threads share it and kept, with its connections and its token."""
        with self._lock:
            if name not in self._kept:
                self._kept[name] = self._opened.enter_context(make())
            kept: T = self._kept[name]
            return kept

    def _compute(self) -> ComputeManagementClient:
        subscription = self._subscription()
        try:
            from azure.mgmt.compute import ComputeManagementClient
        except ImportError:
            raise not_installed() from None
        return self._once(
            "compute",
            lambda: ComputeManagementClient(
                self._sign_in,
                subscription,
                base_url=self._management_url,
                credential_scopes=[_SCOPE],
                raw_request_hook=self._own_host,
                **_settings(_has_value),
            ),
        )

    def _graph(self) -> PipelineClient[Any, Any]:
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy

        self._subscription()
        sign_in = BearerTokenCredentialPolicy(self._sign_in, _SCOPE)
        return self._once("graph", lambda: _pipeline(self._management_url, sign_in))

    def _own_host(self, request: PipelineRequest[Any]) -> None:
        """Refuse to carry the token to a machine that a link in an answer names."""
        host = urlsplit(request.http_request.url).netloc
        if host != urlsplit(self._management_url).netloc:
            raise UnexpectedPayload(f"azure: the next page is said to be at {host}")

    def close(self) -> None:
        """Close the connections kept open for the next question."""
        self._opened.close()


def _url(given: str | None, variable: str, default: str) -> str:
    """A base URL from the caller, the environment or the default, without a slash at its end."""
    return (given or os.environ.get(variable) or default).rstrip("/")


def _settings(on_response: Any) -> dict[str, Any]:
    """What every pipeline of ours is built with: bounded retries that honour Retry-After, and time limits."""
    return {
        "retry_total": RETRIES,
        "retry_status": RETRIES,
        "retry_connect": 2,
        "retry_read": RETRIES,
        "retry_backoff_factor": BACKOFF_S,
        "connection_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "user_agent": "cloud-pricing-optimiser",
        "raw_response_hook": on_response,
    }


def _pipeline(base_url: str, sign_in: Any = None) -> PipelineClient[Any, Any]:
    """A pipeline without redirects."""
    try:
        from azure.core import PipelineClient
        from azure.core.pipeline import policies
    except ImportError:
        raise not_installed() from None
    settings = _settings(_not_too_long)
    steps = [
        policies.HeadersPolicy({"Accept": "application/json"}),
        policies.UserAgentPolicy(**settings),
        policies.ProxyPolicy(),
        policies.RetryPolicy(**settings),
        *([sign_in] if sign_in else []),
        policies.CustomHookPolicy(**settings),
    ]
    return PipelineClient(base_url, policies=steps, **settings)


def _not_too_long(response: PipelineResponse[Any, Any]) -> None:
    """Give up, before the SDK's retry sleeps, on an answer that asks for a longer wait than MOST_WAIT_S."""
    from azure.core.pipeline.policies import RetryPolicy

    status = response.http_response.status_code
    wait_s = RetryPolicy.no_retries().get_retry_after(response) if status >= 400 else None
    if wait_s and wait_s > MOST_WAIT_S:
        host = urlsplit(response.http_request.url).hostname
        raise Unavailable(f"azure: {host} answered {status} and asks to wait {wait_s:.0f} s")


def _has_value(response: PipelineResponse[Any, Any]) -> None:
    """Refuse an answer without its list, which the SDK would take for an empty one."""
    _not_too_long(response)
    answer = response.http_response
    if answer.status_code != 200:
        return
    content = answer.json()
    if not isinstance(content, dict) or not isinstance(content.get("value"), list):
        what = urlsplit(answer.request.url).path.rsplit("/", 1)[-1]
        raise UnexpectedPayload(f"azure: {what}: the answer has no list of value")


@contextmanager
def _mapped(where: str, action: str) -> Iterator[None]:
    """Turn the SDK's errors into the project's, without the answers' texts, which may carry ids and addresses.

    action is the permission that the call needs.
    """
    from azure.core import exceptions

    try:
        yield
    except exceptions.HttpResponseError as error:
        if error.status_code is None and isinstance(error, exceptions.ClientAuthenticationError):
            raise CredentialsError(f"{where}: no working sign-in was found: {advice(action)}") from None
        if error.status_code in (None, 200):
            raise UnexpectedPayload(f"{where}: the answer is cut short or cannot be decoded") from None
        raise refusal(error.status_code or 0, where, action) from None
    except exceptions.AzureError as error:
        raise Unavailable(f"{where}: no answer from Azure ({type(error).__name__})") from None
    except (TypeError, AttributeError, ValueError) as error:
        raise UnexpectedPayload(f"{where}: the answer is of another shape ({type(error).__name__})") from None
