"""Ways into the fake catalogue: an environment for the standard chain, and clients that are ready to use."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from gcp_server import GcpServer, service_account_key


def environment(server: GcpServer, folder: Path) -> dict[str, str]:
    """Variables under which the standard chain finds credentials and the adapter finds the server.

    Google's library looks up service accounts of its own universe on the internet, in the background. These
    are of another, where it signs tokens itself and asks nobody.
    """
    universe = "fake.test"
    key = service_account_key(folder / "fake-gcp-key.json", f"{server.rest_url}/token", universe)
    return {
        "GOOGLE_APPLICATION_CREDENTIALS": str(key),
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN": universe,
        "NO_GCE_CHECK": "true",
        "OPTIMISER_ENDPOINT_GCP_BILLING": server.rest_url,
    }


def grpc_catalogue(target: str, call_credentials: Any | None = None) -> Any:
    """A CloudCatalogClient over plain gRPC; with call_credentials (a grpc.AuthMetadataPlugin) over a local
    secure channel, as the real one carries its tokens.
    """
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.billing_v1 import CloudCatalogClient
    from google.cloud.billing_v1.services.cloud_catalog.transports import CloudCatalogGrpcTransport

    channel = grpc.insecure_channel(target, options=[("grpc.max_receive_message_length", -1)])
    if call_credentials:
        local = grpc.composite_channel_credentials(
            grpc.local_channel_credentials(), grpc.metadata_call_credentials(call_credentials)
        )
        channel = grpc.secure_channel(target, local)
    transport = CloudCatalogGrpcTransport(channel=channel, credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    return CloudCatalogClient(transport=transport)


def rest_catalogue(url: str) -> Any:
    """A CloudCatalogClient over plain REST, without credentials."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud.billing_v1 import CloudCatalogClient
    from google.cloud.billing_v1.services.cloud_catalog.transports import CloudCatalogRestTransport

    host = urlsplit(url).netloc
    transport = CloudCatalogRestTransport(host=host, url_scheme="http", credentials=AnonymousCredentials())  # type: ignore[no-untyped-call]
    return CloudCatalogClient(transport=transport)
