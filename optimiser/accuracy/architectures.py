"""Models that measurement tables hold and config/models.yaml does not: superseded, so not offered to users.

Sizes from each model's config.json on Hugging Face, from memory; their sums are the published weight counts.
"""

from optimiser.performance.specs import ModelSpec

# Attention and feed-forward side by side, feed-forward of two matrices.
GPT_J_6B = ModelSpec(
    name="gpt-j-6b",
    hf_id="EleutherAI/gpt-j-6b",
    layers=28,
    hidden=4096,
    heads=16,
    kv_heads=16,
    head_dim=256,
    intermediate=16384,
    vocabulary=50400,
    max_context=2048,
    tied_embeddings=False,
    gated=False,
    default_precision="fp16",
    parameters_published=6.05e9,
    source="config.json of EleutherAI/gpt-j-6b",
)
FALCON_180B = ModelSpec(
    name="falcon-180b",
    hf_id="tiiuae/falcon-180B",
    layers=80,
    hidden=14848,
    heads=232,
    kv_heads=8,
    head_dim=64,
    intermediate=59392,
    vocabulary=65024,
    max_context=2048,
    tied_embeddings=False,
    gated=False,
    parameters_published=179.5e9,
    source="config.json of tiiuae/falcon-180B",
)
YI_34B = ModelSpec(
    name="yi-34b",
    hf_id="01-ai/Yi-34B",
    layers=60,
    hidden=7168,
    heads=56,
    kv_heads=8,
    head_dim=128,
    intermediate=20480,
    vocabulary=64000,
    max_context=4096,
    tied_embeddings=False,
    parameters_published=34.39e9,
    source="config.json of 01-ai/Yi-34B",
)
CODE_LLAMA_34B = ModelSpec(
    name="codellama-34b",
    hf_id="codellama/CodeLlama-34b-Instruct-hf",
    layers=48,
    hidden=8192,
    heads=64,
    kv_heads=8,
    head_dim=128,
    intermediate=22016,
    vocabulary=32000,
    max_context=16384,
    tied_embeddings=False,
    parameters_published=33.74e9,
    source="config.json of codellama/CodeLlama-34b-Instruct-hf",
)
ARCHITECTURES = {model.name: model for model in (GPT_J_6B, FALCON_180B, YI_34B, CODE_LLAMA_34B)}
