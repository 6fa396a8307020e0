"""The real clouds: which few regions are asked, and whether somebody is signed in."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LiveCloud:
    """What the live tests ask of a provider.

    not_signed_in says why it is to be skipped, "" where it can be asked. secrets are words of the sign-in that
    must not come out, as far as the environment holds them.
    """

    regions: tuple[str, ...]
    not_signed_in: Callable[[], str]
    secrets: tuple[str, ...] = ()


def _aws() -> str:
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError as error:
        return f"aws: the credentials cannot be used ({type(error).__name__})"
    if found is None:
        return "aws: no credentials: set AWS_PROFILE or the AWS_* variables, or run `aws sso login`"
    return ""


def _gcp() -> str:
    import google.auth
    from google.auth.exceptions import GoogleAuthError

    try:
        # The library warns of personal credentials without a quota project, which do for the catalogue.
        with warnings.catch_warnings(action="ignore"):
            google.auth.default()
    except GoogleAuthError as error:
        how = "run `gcloud auth application-default login` or set GOOGLE_APPLICATION_CREDENTIALS"
        return f"gcp: no credentials ({type(error).__name__}): {how}"
    return ""


def _of_environment(*names: str) -> tuple[str, ...]:
    return tuple(value for value in map(os.environ.get, names) if value and len(value) > 7)


LIVE: dict[str, LiveCloud] = {
    "aws": LiveCloud(
        regions=("us-east-1", "eu-west-1"),
        not_signed_in=_aws,
        secrets=_of_environment("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    ),
    "gcp": LiveCloud(
        regions=("us-central1", "europe-west4"),
        not_signed_in=_gcp,
        secrets=_of_environment("GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT"),
    ),
    # Azure's prices need no account.
    "azure": LiveCloud(
        regions=("eastus", "westeurope"),
        not_signed_in=lambda: "",
        secrets=_of_environment("AZURE_CLIENT_SECRET", "AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID"),
    ),
}
