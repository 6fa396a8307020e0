"""What AWS's error codes mean to somebody who runs a refresh: which permission to grant, what to renew."""

from __future__ import annotations

from collections.abc import Sequence

from providers.errors import CredentialsError, ProviderError, Unavailable, UnexpectedPayload

LACKING = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "NotAuthorized",
        "UnauthorizedException",
        "UnauthorizedOperation",
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
REFUSED = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "SubscriptionRequiredException",
        "UnrecognizedClientException",
    }
)
BUSY = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "InternalError",
        "InternalErrorException",
        "InternalFailure",
        "InternalServerException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        "Unavailable",
    }
)
# Classes of botocore.exceptions.
CREDENTIAL_ERRORS = frozenset(
    {
        "ConfigNotFound",
        "ConfigParseError",
        "CredentialRetrievalError",
        "InvalidConfigError",
        "LoginError",
        "MetadataRetrievalError",
        "NoAuthTokenError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "RefreshWithMFAUnsupportedError",
        "SSOError",
        "TokenRetrievalError",
    }
)
NETWORK_ERRORS = frozenset({"ConnectionError", "HTTPClientError", "IncompleteReadError"})


class PermissionLacking(CredentialsError):
    """The credentials are good, but one permission, which the message names, is not given to them."""


def of_code(code: str, status: int, action: str, region: str) -> ProviderError:
    """The fault behind an answer with that error code and HTTP status, to that IAM action in that region.

    AWS's own message is left out: it names the account and the caller, and may hold an encoded policy.
    """
    where = f"aws: {action} in {region}"
    if code in LACKING:
        return PermissionLacking(f"{where}: permission lacking: allow {action} ({code})")
    if code in EXPIRED:
        return CredentialsError(
            f"{where}: the credentials have expired, or the clock is wrong: renew them ({code})"
        )
    if code in REFUSED:
        return CredentialsError(f"{where}: the credentials are refused there ({code})")
    if code in BUSY or status >= 500 or status == 429:
        return Unavailable(f"{where}: no answer after the retries ({code}, HTTP {status})")
    return UnexpectedPayload(f"{where}: the request is refused ({code}, HTTP {status})")


def of_library_error(kinds: Sequence[str], action: str, region: str) -> ProviderError:
    """The fault behind an error of the AWS library; kinds are the names of its class and its bases."""
    where, name = f"aws: {action} in {region}", kinds[0]
    if CREDENTIAL_ERRORS & set(kinds):
        return CredentialsError(f"{where}: no usable credentials: sign in again or set others ({name})")
    if NETWORK_ERRORS & set(kinds):
        return Unavailable(f"{where}: not reached after the retries ({name})")
    if name == "PaginationError":
        return not_of_the_shape(action, region, "the same NextToken came twice")
    return not_of_the_shape(action, region, f"not read by the AWS library ({name})")


def not_of_the_shape(action: str, region: str, what: str) -> UnexpectedPayload:
    """An answer that is not what the API's model promises."""
    return UnexpectedPayload(f"aws: {action} in {region}: {what}")
