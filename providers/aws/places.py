"""AWS's region codes: which are regions, which are zones with a price list of their own, which are set apart."""

from __future__ import annotations

import re
from collections.abc import Iterable

from providers.offer import REGION

CHINA = "cn-"
GOVERNMENT = "us-gov-"
PRICING_ENDPOINT_REGION = "us-east-1"
CHINA_PRICING_ENDPOINT_REGION = "cn-northwest-1"
REGION_KIND_OF_LOCATION_TYPE = {
    "AWS Region": REGION,
    "AWS Local Zone": "local_zone",
    "AWS Wavelength Zone": "wavelength",
}
_REGION_CODE = re.compile(r"[a-z]+(-[a-z]+)+-\d+")
_ZONE_ID = re.compile(r"[a-z]+\d+-az\d+")


def is_region(code: str) -> bool:
    """Whether a code is a region's, such as us-gov-west-1; us-west-2-lax-1 and us-east-1-wl1 are zones."""
    return bool(_REGION_CODE.fullmatch(code))


def regions_among(codes: Iterable[str]) -> tuple[str, ...]:
    """The regions among codes, sorted, without zones and blanks."""
    return tuple(sorted({code for code in codes if is_region(code)}))


def pricing_endpoint_region(region: str) -> str:
    """Which endpoint of the Price List knows a region: GovCloud has none of its own, China is apart."""
    return CHINA_PRICING_ENDPOINT_REGION if region.startswith(CHINA) else PRICING_ENDPOINT_REGION


def region_kind(region: str, location_type: str) -> str:
    """The kind of a price's region. Raises KeyError for a location type that is not known."""
    kind = REGION_KIND_OF_LOCATION_TYPE[location_type]
    return "government" if kind == REGION and region.startswith(GOVERNMENT) else kind


def sells_spot_to_commercial_accounts(region: str) -> bool:
    """Whether a commercial account's credentials can ask a region's EC2: not GovCloud, China or a zone."""
    return is_region(region) and not region.startswith((CHINA, GOVERNMENT))


def zone_kind(zone_id: str) -> str:
    """The kind of a zone by its id: use1-az4, use1-atl2-az1 (a Local Zone), use1-wl1-bos-wlz1."""
    if _ZONE_ID.fullmatch(zone_id):
        return REGION
    return "wavelength" if "-wl" in zone_id else "local_zone"
