"""All three clouds on 127.0.0.1 at once, at any size, and the environment in which the real clients find them.

    with Clouds(folder, aws_regions=2, azure_regions=("eastus",)) as clouds:
        subprocess.run([…, "refresh"], env={**os.environ, **clouds.env})

As a program it serves lists of real size until its standard input ends; its first line is the environment.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from aws_catalogue import REGIONS, FullSize
from azure_price_rows import full_size_rows, thirteen_rows
from azure_server import AzureServer
from gcp_access import environment
from gcp_catalogue import full_catalogue
from gcp_server import GcpServer
from snapshot_prices import on_demand_usd

SMALL_AWS = ("us-east-1", "us-west-2", "eu-west-1")
SMALL_AZURE = ("eastus", "westeurope")
SMALL_GCP_SKUS, SMALL_GCP_PAGE = 3000, 750
SMALL_TYPES = {
    "aws": ("g5.xlarge", "g6.xlarge", "p4d.24xlarge", "p5.48xlarge"),
    "azure": ("Standard_NC4as_T4_v3", "Standard_NC24ads_A100_v4", "Standard_ND96isr_H100_v5"),
}


class Clouds:
    """Small lists that pass every check, or with full=True lists of real size. The servers are public, so that
    faults can be programmed and what was asked can be read.
    """

    def __init__(self, folder: Path, *, full: bool = False) -> None:
        usd = {name: on_demand_usd(name) for name in ("aws", "azure")}
        types = {name: tuple(usd[name]) if full else SMALL_TYPES[name] for name in usd}
        self._folder = folder
        self.aws_list = FullSize(types["aws"], REGIONS if full else SMALL_AWS, usd["aws"])
        self.aws = self.aws_list.fake()
        rows_of = full_size_rows if full else _small_rows
        self.azure = AzureServer(lambda region: rows_of(region, types["azure"], usd["azure"]))
        self.gcp = GcpServer(
            skus=full_catalogue() if full else full_catalogue(SMALL_GCP_SKUS),
            largest_page=5000 if full else SMALL_GCP_PAGE,
        )

        public: list[tuple[Any, tuple[str, ...]]] = [
            (self.aws, ("products_by_region", "page_size")),
            (self.aws_list, ("types", "usd_of")),
            (self.azure, ("change_page", "page_size")),
        ]
        self._as_made = [(server, name, getattr(server, name)) for server, names in public for name in names]

    def __enter__(self) -> Clouds:
        with ExitStack() as opened:
            for server in (self.aws, self.azure, self.gcp):
                opened.enter_context(server)
            self._opened = opened.pop_all()
        self._gcp_env = environment(self.gcp, self._folder)
        return self

    def __exit__(self, *error: Any) -> None:
        self._opened.close()

    def reset(self) -> None:
        """Undo every fault and every change to what is sold."""
        self.aws.clear_faults()
        self.azure.faults.clear()
        self.gcp.faults.clear()
        for server, name, value in self._as_made:
            setattr(server, name, value)

    @property
    def env(self) -> dict[str, str]:
        """What makes the real clients ask here, with credentials good for nothing else."""
        return {
            **self.aws.env,
            "OPTIMISER_ENDPOINT_AZURE_RETAIL": self.azure.url,
            "OPTIMISER_ENDPOINT_AZURE_MANAGEMENT": self.azure.url,
            **self._gcp_env,
        }


def _small_rows(region: str, types: tuple[str, ...], usd_of: Mapping[str, float]) -> list[dict[str, Any]]:
    if region not in SMALL_AZURE:
        return []
    return [
        row
        for name in types
        for row in thirteen_rows(name, region, f"Virtual Machines {name} Series", round(usd_of[name], 4))
    ]


def main() -> None:
    """Serve all three clouds at real size."""
    with tempfile.TemporaryDirectory() as folder, Clouds(Path(folder), full=True) as clouds:
        print(json.dumps(clouds.env), flush=True)  # noqa: T201 (this is the program's answer)
        sys.stdin.read()


if __name__ == "__main__":
    main()
