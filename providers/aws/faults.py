"""What AWS's error codes mean to somebody who runs a refresh: which permission to grant, what to renew."""

from __future__ import annotations

from providers.errors import CredentialsError, ProviderError, SdkNotInstalled, Unavailable, UnexpectedPayload

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


def not_installed() -> SdkNotInstalled:
    extra = "pip install 'cloud-pricing-optimiser[aws]'"
    return SdkNotInstalled(f"aws: the client library boto3 is not installed: {extra}")


def no_credentials() -> CredentialsError:
    return CredentialsError(
        "aws: no credentials found: set AWS_PROFILE, the AWS_* variables, or run under a role"
    )


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


def of_library_error(error: Exception, action: str, region: str) -> ProviderError:
    """The fault behind an error of the AWS library, told by the names of its class and its bases."""
    where, name = f"aws: {action} in {region}", type(error).__name__
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if CREDENTIAL_ERRORS & kinds:
        return CredentialsError(f"{where}: no usable credentials: sign in again or set others ({name})")
    if NETWORK_ERRORS & kinds:
        return Unavailable(f"{where}: not reached after the retries ({name})")
    if name == "PaginationError":
        return not_of_the_shape(action, region, "the same NextToken came twice")
    return not_of_the_shape(action, region, f"not read by the AWS library ({name})")


def not_of_the_shape(action: str, region: str, what: str) -> UnexpectedPayload:
    """An answer that is not what the API's model promises."""
    return UnexpectedPayload(f"aws: {action} in {region}: {what}")
