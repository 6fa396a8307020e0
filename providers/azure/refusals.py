"""What Azure's refusals mean, in words that say what to do: which permission, which variable, which extra."""

from __future__ import annotations

from providers.errors import CredentialsError, ProviderError, SdkNotInstalled, Unavailable, UnexpectedPayload

SUBSCRIPTION = "AZURE_SUBSCRIPTION_ID"
# The built-in role that has all of these actions.
ROLE = "Reader"
SKUS_READ = "Microsoft.Compute/skus/read"
USAGES_READ = "Microsoft.Compute/locations/usages/read"
GRAPH_READ = "Microsoft.ResourceGraph/resources/read"


def refusal(status: int, where: str, action: str) -> ProviderError:
    """What an HTTP status other than 200 means, once the retries are spent."""
    if status == 401:
        return CredentialsError(f"{where}: Azure does not accept the sign-in (401): {advice(action)}")
    if status == 403:
        return CredentialsError(f"{where}: Azure refuses it (403): {advice(action)}")
    if status == 404 and action:
        return CredentialsError(
            f"{where}: not found (404): is {SUBSCRIPTION} a subscription that this sign-in sees? {advice(action)}"
        )
    if status in (408, 429) or status >= 500:
        return Unavailable(f"{where}: Azure answered {status} to the last try")
    return UnexpectedPayload(f"{where}: Azure answered {status}: it does not know the request")


def advice(action: str) -> str:
    """How to come by a permission; action "" is the price list, which is open to all."""
    if not action:
        return "this price list needs no sign-in: a proxy or firewall may stand in between"
    return f"sign in (az login, or AZURE_CLIENT_ID and its companions) as one with {action} (role {ROLE})"


def not_installed() -> SdkNotInstalled:
    return SdkNotInstalled(
        "Azure's client library is not installed: pip install 'cloud-pricing-optimiser[azure]'"
    )
