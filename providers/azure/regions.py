"""The regions of Azure's commercial cloud, as the price list spells them."""

from __future__ import annotations

from providers.offer import REGION

# The regions priced in config/prices/azure.csv, and the further commercial ones of Azure's public region list.
# Not here: US Government and China (clouds and price lists of their own), canaries (…euap) and stages (…stg).
COMMERCIAL_REGIONS = (
    "australiacentral",
    "australiacentral2",
    "australiaeast",
    "australiasoutheast",
    "austriaeast",
    "belgiumcentral",
    "brazilsouth",
    "brazilsoutheast",
    "canadacentral",
    "canadaeast",
    "centralindia",
    "centralus",
    "chilecentral",
    "eastasia",
    "eastus",
    "eastus2",
    "francecentral",
    "francesouth",
    "germanynorth",
    "germanywestcentral",
    "indonesiacentral",
    "israelcentral",
    "italynorth",
    "japaneast",
    "japanwest",
    "jioindiacentral",
    "jioindiawest",
    "koreacentral",
    "koreasouth",
    "malaysiawest",
    "mexicocentral",
    "newzealandnorth",
    "northcentralus",
    "northeurope",
    "norwayeast",
    "norwaywest",
    "polandcentral",
    "qatarcentral",
    "southafricanorth",
    "southafricawest",
    "southcentralus",
    "southeastasia",
    "southindia",
    "spaincentral",
    "swedencentral",
    "swedensouth",
    "switzerlandnorth",
    "switzerlandwest",
    "taiwannorth",
    "taiwannorthwest",
    "uaecentral",
    "uaenorth",
    "uksouth",
    "ukwest",
    "westcentralus",
    "westeurope",
    "westindia",
    "westus",
    "westus2",
    "westus3",
)


def spelled(region: str) -> str:
    """A region code as the price list has it: other interfaces of Azure say "WestUS3"."""
    return region.strip().lower()


def kind_of(region: str) -> str:
    """The region_kind of an offer there: "government" where old lists still carry such a region."""
    return "government" if region.startswith(("usgov", "usdod")) else REGION
