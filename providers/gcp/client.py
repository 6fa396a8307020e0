"""The Cloud Billing Catalog through Google's client library: paging, retries and errors.

ListSkus has no retry of its own and its pager's `skus` is page one alone, so a retry is passed with each call
and the pages are walked to the last. Nothing a caller sees repeats the server's or the library's own words:
they may name projects, accounts and addresses.

Set OPTIMISER_ENDPOINT_GCP_BILLING for a private endpoint ("host" or "host:port", gRPC over TLS) or a local test
server ("http://host:port", REST without TLS). Credentials are Application Default Credentials either way; a
catalogue client made with an API key may be handed in ready.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

from providers.errors import CredentialsError, ProviderError, SdkNotInstalled, Unavailable, UnexpectedPayload

COMPUTE_ENGINE = "services/6F81-5844-456A"
ENDPOINT = "OPTIMISER_ENDPOINT_GCP_BILLING"
PAGE_SIZE = 5000
READ_ONLY = "https://www.googleapis.com/auth/cloud-billing.readonly"
# The catalogue has 7 pages; a walk ten times as long goes in circles.
MOST_PAGES = 70
LONGEST_HINT_SECONDS = 60.0

_API = "Cloud Billing API (cloudbilling.googleapis.com)"
_HOW_TO_LOG_IN = "run `gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS"
_PLUGIN_FAILED = "Getting metadata from plugin failed"
_BUSY = frozenset({408, 429, 500, 502, 503, 504})

T = TypeVar("T")


class GcpClient:
    """Compute Engine's SKUs. catalogue: a google.cloud.billing_v1.CloudCatalogClient, else made from the
    environment on first use. A page may take page_seconds and its retries retry_seconds in all, of which the
    first waits up to backoff_seconds and each later one up to twice as long.
    """

    def __init__(
        self,
        catalogue: Any = None,
        *,
        page_seconds: float = 60.0,
        retry_seconds: float = 180.0,
        backoff_seconds: float = 0.5,
    ) -> None:
        self._catalogue = catalogue
        self._page_seconds = page_seconds
        self._retry_seconds = retry_seconds
        self._backoff_seconds = backoff_seconds
        self.pages = 0
        self.requests = 0

    def skus(self) -> Iterator[dict[str, Any]]:
        """Every SKU in USD, in the shape of the REST API's JSON, one page in memory at a time.

        Raises CredentialsError, Unavailable, UnexpectedPayload or SdkNotInstalled; whoever has read less than
        all of it then has nothing of use.
        """
        self.pages = self.requests = 0
        pages = self._list()
        seen: set[str] = set()
        while (page := _translated(lambda: next(pages, None))) is not None:
            self.pages += 1
            self.requests += 1
            token = page.next_page_token
            if token in seen or self.pages > MOST_PAGES:
                raise UnexpectedPayload("Cloud Billing Catalog: its pages go in circles")
            seen.add(token)
            for sku in type(page).pb(page).skus:
                yield _plain(sku)

    def close(self) -> None:
        """Close the connection, where there is one."""
        if self._catalogue is not None:
            self._catalogue.transport.close()

    def _list(self) -> Iterator[Any]:
        """The pages as they come; the library is first touched when the first is asked for."""
        if self._catalogue is None:
            self._catalogue = _catalogue_from_environment()
        from google.api_core.retry import Retry

        retry = Retry(
            predicate=_is_passing,
            initial=self._backoff_seconds,
            maximum=20.0,
            timeout=self._retry_seconds,
            on_error=self._before_next_try,
        )
        request = {"parent": COMPUTE_ENGINE, "currency_code": "USD", "page_size": PAGE_SIZE}
        pager = self._catalogue.list_skus(request=request, retry=retry, timeout=self._page_seconds)
        yield from pager.pages

    def _before_next_try(self, error: Exception) -> None:
        """The library backs off by itself, but knows nothing of the time a server asks to be left alone."""
        self.requests += 1
        time.sleep(min(_seconds_asked(error), LONGEST_HINT_SECONDS, self._retry_seconds))


def _catalogue_from_environment() -> Any:
    try:
        import google.auth
        from google.api_core.client_options import ClientOptions
        from google.auth.transport.requests import Request
        from google.cloud.billing_v1 import CloudCatalogClient
        from google.cloud.billing_v1.services.cloud_catalog.transports import CloudCatalogRestTransport
    except ImportError:
        raise SdkNotInstalled(
            "Google Cloud prices need its client library: pip install 'cloud-pricing-optimiser[gcp]'"
        ) from None
    endpoint = os.environ.get(ENDPOINT, "").strip().rstrip("/")
    address = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    if endpoint and (address.scheme not in ("http", "https") or not address.netloc or address.path):
        raise ProviderError(f"{ENDPOINT} must be host:port or http://host:port")
    with warnings.catch_warnings():
        # Credentials of a person without a quota project: what comes of it is told by our errors, not on stderr.
        warnings.simplefilter("ignore", UserWarning)
        credentials, _ = google.auth.default(scopes=[READ_ONLY])
    # Credentials that fail inside gRPC look like an outage and leave a traceback in the log; they fail here.
    credentials.refresh(Request())  # type: ignore[no-untyped-call]
    if address.scheme == "http":
        plain = CloudCatalogRestTransport(host=address.netloc, url_scheme="http", credentials=credentials)
        return CloudCatalogClient(transport=plain)
    options = ClientOptions(api_endpoint=address.netloc or None)
    return CloudCatalogClient(credentials=credentials, client_options=options)


def _plain(sku: Any) -> dict[str, Any]:
    """A SKU's protobuf as the REST API would word it: of its fields, those that prices are read from."""
    category = sku.category
    return {
        "skuId": sku.sku_id,
        "description": sku.description,
        "category": {"resourceGroup": category.resource_group, "usageType": category.usage_type},
        "serviceRegions": list(sku.service_regions),
        "pricingInfo": [
            {
                "effectiveTime": price.effective_time.ToJsonString(),
                "pricingExpression": {
                    "usageUnit": price.pricing_expression.usage_unit,
                    "tieredRates": [
                        {
                            "startUsageAmount": tier.start_usage_amount,
                            "unitPrice": {
                                "currencyCode": tier.unit_price.currency_code,
                                "units": tier.unit_price.units,
                                "nanos": tier.unit_price.nanos,
                            },
                        }
                        for tier in price.pricing_expression.tiered_rates
                    ],
                },
            }
            for price in sku.pricing_info
        ],
    }


def _translated(call: Callable[[], T]) -> T:
    """What the call answers, its errors as ours."""
    try:
        return call()
    except ProviderError:
        raise
    except Exception as error:
        ours = _meaning(error)
        if ours is None:
            raise
        raise ours from None


def _meaning(error: Exception) -> ProviderError | None:
    """Ours for a library's error, None for what is no fault of the cloud's but a defect."""
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth import exceptions as auth
    from google.protobuf.json_format import ParseError
    from google.protobuf.message import DecodeError

    match error:
        case RetryError():
            cause = error.cause
            known = _meaning(cause) if isinstance(cause, Exception) else None
            return known or Unavailable(f"{_API} did not answer within its retries")
        case auth.DefaultCredentialsError():
            return CredentialsError(f"no usable Google Cloud credentials were found: {_HOW_TO_LOG_IN}")
        case auth.TransportError():
            return Unavailable("Google's token server could not be reached")
        case auth.RefreshError() if error.retryable:
            return Unavailable("Google's token server did not answer")
        case auth.GoogleAuthError():
            return CredentialsError(f"the Google Cloud credentials are expired or refused: {_HOW_TO_LOG_IN}")
        case GoogleAPICallError():
            return _meaning_of_answer(error)
        case ParseError() | DecodeError():
            return UnexpectedPayload(f"{_API} sent a page that cannot be read: it may be cut short")
        case OSError():
            return Unavailable(f"{_API} could not be reached ({type(error).__name__})")
    return None


def _meaning_of_answer(error: Any) -> ProviderError:
    code, reason = int(error.code or 0), str(error.reason or "")
    if _PLUGIN_FAILED in str(error):
        return CredentialsError(f"the Google Cloud credentials are expired or refused: {_HOW_TO_LOG_IN}")
    if code == 401 or reason.startswith("API_KEY_"):
        return CredentialsError(f"{_API} refused the credentials ({reason or code}): {_HOW_TO_LOG_IN}")
    if code == 403 and (reason == "SERVICE_DISABLED" or "has not been used" in str(error)):
        enable = "gcloud services enable cloudbilling.googleapis.com"
        return CredentialsError(f"the {_API} is not enabled in the project: run `{enable}`")
    if code == 403:
        role = "roles/serviceusage.serviceUsageConsumer (serviceusage.services.use)"
        lacking = f"{reason or 'permission denied'}; it needs to be enabled, and the account needs {role}"
        return CredentialsError(f"{_API} refused the account: {lacking} in the project it works in")
    if code in _BUSY or code >= 499:
        return Unavailable(f"{_API} kept answering {code} {type(error).__name__}")
    return UnexpectedPayload(
        f"{_API} answered {code} {type(error).__name__}{f' ({reason})' if reason else ''}"
    )


def _is_passing(error: Exception) -> bool:
    """Whether another try may succeed: throttled, failing on the server's side, or the connection broke."""
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import TransportError

    if isinstance(error, GoogleAPICallError):
        return int(error.code or 0) in _BUSY and _PLUGIN_FAILED not in str(error)
    return isinstance(error, (OSError, TransportError))


def _seconds_asked(error: Exception) -> float:
    """The wait a server asks for, by Retry-After (REST) or RetryInfo (either); 0 where it asks for none."""
    for detail in getattr(error, "details", None) or ():
        delay = getattr(detail, "retry_delay", None)
        if delay is not None:
            return float(delay.seconds + delay.nanos / 1e9)
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(0.0, float(headers.get("Retry-After", "")))
    except (ValueError, AttributeError):
        return 0.0
