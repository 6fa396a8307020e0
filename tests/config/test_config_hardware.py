"""The shipped GPUs and instance types, recomputed from other published figures."""

import re

import pytest

from optimiser.config import Config, load_config
from providers.shape import Obtainability

# Total GPU memory per instance type in MiB, as EC2 DescribeInstanceTypes gives it (TotalGpuMemoryInMiB).
AWS_TOTAL_MIB = {
    262144: "p3dn.24xlarge",
    16384: "g4dn.xlarge g4dn.2xlarge g4dn.4xlarge g4dn.8xlarge g4dn.16xlarge g5g.xlarge g5g.2xlarge "
    "g5g.4xlarge g5g.8xlarge",
    65536: "g4dn.12xlarge",
    131072: "g4dn.metal",
    32768: "g5g.16xlarge g5g.metal",
    22888: "g5.xlarge g5.2xlarge g5.4xlarge g5.8xlarge g5.16xlarge g6.xlarge g6.2xlarge g6.4xlarge g6.8xlarge"
    " g6.16xlarge gr6.4xlarge gr6.8xlarge",
    91552: "g5.12xlarge g5.24xlarge g6.12xlarge g6.24xlarge",
    183104: "g5.48xlarge g6.48xlarge g6e.12xlarge g6e.24xlarge",
    45776: "g6e.xlarge g6e.2xlarge g6e.4xlarge g6e.8xlarge g6e.16xlarge",
    366208: "g6e.48xlarge",
    98304: "g7e.2xlarge g7e.4xlarge g7e.8xlarge",
    196608: "g7e.12xlarge",
    393216: "g7e.24xlarge",
    786432: "g7e.48xlarge",
    327680: "p4d.24xlarge",
    655360: "p4de.24xlarge p5.48xlarge",
    81920: "p5.4xlarge",
    1155072: "p5e.48xlarge p5en.48xlarge",
    1466872: "p6-b200.48xlarge",
    2200320: "p6-b300.48xlarge",
}
# AWS's page on P3, which that list no longer has: GB in all.
AWS_P3_TOTAL_GB = {"p3.2xlarge": 16, "p3.8xlarge": 64, "p3.16xlarge": 128}
# Total GPU memory in GB and the GPU's own, from the tables of Azure's size pages.
AZURE_TOTAL_GB = {
    "NC6s_v3": (16, 1), "NC12s_v3": (32, 2), "NC24s_v3": (64, 4), "NC24rs_v3": (64, 4),
    "ND40rs_v2": (256, 8), "ND40s_v2": (256, 8),
    "NC4as_T4_v3": (16, 1), "NC8as_T4_v3": (16, 1), "NC16as_T4_v3": (16, 1), "NC64as_T4_v3": (64, 4),
    "NV36ads_A10_v5": (24, 1), "NV36adms_A10_v5": (24, 1), "NV72ads_A10_v5": (48, 2),
    "NC16ads_A10_v4": (24, 1), "NC32ads_A10_v4": (48, 2),
    "NC24ads_A100_v4": (80, 1), "NC48ads_A100_v4": (160, 2), "NC96ads_A100_v4": (320, 4),
    "ND96asr_v4": (320, 8), "ND96asr_A100_v4": (320, 8),
    "ND96amsr_A100_v4": (640, 8), "ND96ams_A100_v4": (640, 8),
    "NC40ads_H100_v5": (94, 1), "NC80adis_H100_v5": (188, 2), "NCC40ads_H100_v5": (94, 1),
    "ND96isr_H100_v5": (640, 8), "ND96isrf_H100_v5": (640, 8), "ND96is_H100_v5": (640, 8),
    "ND96is_flex_H100_v5": (640, 8), "ND96is_noIB_H100_v5": (640, 8),
    "ND96isr_H200_v5": (1128, 8),
    "ND96isr_MI300X_v5": (1536, 8), "ND96is_MI300X_v5": (1536, 8),
    "ND128isr_NDR_GB200_v6": (744, 4), "ND128isrf_NDR_GB200_v6": (744, 4),
}  # fmt: skip
RTX_PRO_GPUS = {144: 1, 288: 2, 128: 1, 256: 2, 320: 2}
GCP_MEMORY_GB = {"a2-highgpu": 40, "a2-megagpu": 40, "a2-ultragpu": 80, "a3-highgpu": 80, "a3-megagpu": 80,
                 "a3-edgegpu": 80, "a3-ultragpu": 141}  # fmt: skip
G2_GPUS = {4: 1, 8: 1, 12: 1, 16: 1, 32: 1, 24: 2, 48: 4, 96: 8}


@pytest.fixture(scope="module")
def config() -> Config:
    return load_config()


def shapes_of(config: Config, provider: str) -> dict[str, tuple[int, float, int]]:
    """instance type -> (GPU count, GB per GPU, usable MiB per GPU)."""
    return {
        name: (shape.gpu_count, config.gpus[shape.gpu].memory_gb, config.gpus[shape.gpu].usable_mib)
        for (owner, name), shape in config.shapes.items()
        if owner == provider
    }


def test_aws_gpu_memory_is_what_ec2_reports(config: Config) -> None:
    totals = {name: total for total, names in AWS_TOTAL_MIB.items() for name in names.split()}
    totals |= {name: gigabytes * 1024 for name, gigabytes in AWS_P3_TOTAL_GB.items()}
    shapes = shapes_of(config, "aws")
    assert shapes.keys() == totals.keys()
    for name, (count, _, usable_mib) in shapes.items():
        assert count * usable_mib == pytest.approx(totals[name], rel=0.065), name


def test_azure_gpu_memory_is_what_the_size_pages_say(config: Config) -> None:
    expected = {f"Standard_{name}": figures for name, figures in AZURE_TOTAL_GB.items()}
    for vcpus, gpus in RTX_PRO_GPUS.items():
        for letter in ("", "l"):
            expected[f"Standard_NC{vcpus}{letter}ds_xl_RTXPRO6000BSE_v6"] = (96 * gpus, gpus)
    shapes = shapes_of(config, "azure")
    assert shapes.keys() == expected.keys()
    for name, (count, memory_gb, _) in shapes.items():
        assert (count * memory_gb, count) == expected[name], name


def test_gcp_gpu_count_is_in_the_name_and_memory_by_series(config: Config) -> None:
    for name, (count, memory_gb, _) in shapes_of(config, "gcp").items():
        series, size = name.rsplit("-", 1)
        if series == "g2-standard":
            assert (count, memory_gb) == (G2_GPUS[int(size)], 24), name
        elif series == "g4-standard":
            assert (count, memory_gb) == (int(size) / 48, 96), name
        else:
            assert (count, memory_gb) == (int(size.removesuffix("g")), GCP_MEMORY_GB[series]), name


def test_vcpus_are_in_the_azure_name_and_follow_the_series_on_gcp(config: Config) -> None:
    for (provider, name), shape in config.shapes.items():
        if provider == "azure":
            assert shape.vcpus == int(re.search(r"N[A-Z]+(\d+)", name)[1]), name  # type: ignore[index]
        elif provider == "gcp" and name.startswith(("g2", "g4")):
            assert shape.vcpus == int(name.rsplit("-", 1)[1]), name


def test_usable_memory_lies_within_the_marketing_size(config: Config) -> None:
    # Drivers report between 93 % of the marketing GB (B300: reserved) and the same number read as GiB.
    for gpu in config.gpus.values():
        assert 0.93 * gpu.memory_gb * 1e9 <= gpu.usable_mib * 2**20 <= 1.09 * gpu.memory_gb * 2**30, gpu.name


def test_compute_figures_are_dense_and_ordered(config: Config) -> None:
    for gpu in config.gpus.values():
        flops = gpu.dense_tflops
        assert flops["fp16"] > 0
        if "bf16" in flops:
            assert flops["bf16"] == flops["fp16"]
        if "fp8" in flops:  # every generation with fp8 doubles fp16, so a sparse figure on one side shows
            assert flops["fp8"] == pytest.approx(2 * flops["fp16"], rel=0.03), gpu.name
        has_bf16 = gpu.generation not in ("Volta", "Turing")
        assert ("bf16" in flops) == has_bf16


def test_cards_that_share_a_name_are_kept_apart(config: Config) -> None:
    bandwidths = {name: config.gpus[name].memory_bandwidth_gbs for name in
                  ("A100-40GB", "A100-80GB", "A100-80GB-PCIe", "H100", "H100-NVL")}  # fmt: skip
    assert len(set(bandwidths.values())) == 5
    assert config.shapes["azure", "Standard_NC24ads_A100_v4"].gpu == "A100-80GB-PCIe"
    assert config.shapes["azure", "Standard_ND96amsr_A100_v4"].gpu == "A100-80GB"
    assert config.shapes["azure", "Standard_NC6s_v3"].gpu == "V100-PCIe"


def test_every_gpu_is_in_an_instance_and_has_an_efficiency(config: Config) -> None:
    assert {shape.gpu for shape in config.shapes.values()} == set(config.gpus)
    assert {gpu.generation for gpu in config.gpus.values()} == set(config.fit.generations)
    for efficiency in config.fit.generations.values():
        assert 0 < efficiency.compute <= 1
        assert 0 < efficiency.bandwidth <= 1
        assert 0 < efficiency.relative_error < 1
    fitted = [one.relative_error for one in config.fit.generations.values() if one.fitted]
    for efficiency in config.fit.generations.values():
        if not efficiency.fitted:  # a guess is never sold as better than what measurements usually reach
            assert efficiency.relative_error >= sorted(fitted)[len(fitted) // 2], efficiency.generation


def test_no_fraction_of_a_gpu_and_no_accelerator_that_is_not_a_gpu_is_listed(config: Config) -> None:
    fractions = r"g6f|gr6f|g4-standard-(6|12|24)$|NV(6|12|18)ads_A10|NC(24|32|36|64|72)l?ds_xl"
    others = r"^(trn|inf|dl|tpu|g4ad|g3|p2)|_V620_|_V710_|as_v4$|n1\+"
    for _, name in config.shapes:
        assert not re.search(f"{fractions}|{others}", name), name


def test_obtainability_and_quota_follow_the_provider(config: Config) -> None:
    for (provider, name), shape in config.shapes.items():
        if shape.gpu_count == 8 and shape.gpu in ("H100", "H200", "B200", "B300"):
            assert shape.obtainability is not Obtainability.ELASTIC, name
        assert shape.quota_unit == ("gpu" if provider == "gcp" else "vcpu")
        if provider == "aws":
            assert (shape.quota_family == "P") == name.startswith("p"), name
            assert config.quota_codes["aws", shape.quota_family].keys() == {"on_demand", "spot"}
    for name in ("a3-highgpu-1g", "a3-highgpu-2g", "a3-highgpu-4g"):
        assert config.shapes["gcp", name].obtainability is Obtainability.SPOT_ONLY
    for key in (("gcp", "a3-ultragpu-8g"), ("aws", "p5e.48xlarge")):
        assert config.shapes[key].obtainability is Obtainability.RESERVATION_ONLY


def test_infiniband_belongs_to_the_azure_sizes_with_the_letter_r(config: Config) -> None:
    for (provider, name), shape in config.shapes.items():
        if provider == "azure" and name.startswith("Standard_ND96"):
            has_rdma = re.search(r"ND96[a-z]*r", name) is not None
            assert ((shape.network_gbps or 0) >= 1600) == has_rdma, name
