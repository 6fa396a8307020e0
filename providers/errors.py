"""What can go wrong between an adapter and its cloud.

ProviderError
├── CredentialsError       none found, expired, refused, or a permission that is lacking (the message names it)
├── Unavailable            throttled, timed out, unreachable or failing on the cloud's side: worth another try
├── UnexpectedPayload      the answer is not of the shape known: a field is gone, an axis new, a page cut short
│   └── NoSuchRegion       a region was named that the cloud does not have, or sells no GPU in
└── SdkNotInstalled        the provider's client library is missing (the message names the extra)

Messages carry no secret: no key, token, account id or signed address.
"""

from __future__ import annotations


class ProviderError(Exception):
    """A foreseeable fault of one provider, in one line that says what to do."""


class CredentialsError(ProviderError):
    """No credentials, expired or refused ones, or a permission that is lacking, which the message names."""


class Unavailable(ProviderError):
    """The cloud did not answer in time, throttled beyond the retries, or failed on its own side."""


class UnexpectedPayload(ProviderError):
    """The answer is not of the shape known. Nothing of that answer is used."""


class NoSuchRegion(UnexpectedPayload):
    """A region was asked for by name that the cloud does not have, or in which it sells no GPU."""


class SdkNotInstalled(ProviderError):
    """The provider's client library is not installed."""
