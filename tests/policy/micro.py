"""A real policy of two layers over a real tokenizer: what the tests of this room run on."""

from __future__ import annotations

from maquette.policy.model import Policy, new_policy, tiny_config
from maquette.policy.tokenizer import PolicyTokenizer, train_tokenizer

TEXTS = (
    "a tall red chair with four legs and a striped seat",
    "two blue wheels under a low car body with a round roof",
    "a green table on three splayed legs, plan: detail: make:",
)
CODES, CODEBOOK = 8, 64


def micro_tokenizer(codebook: int = CODEBOOK) -> PolicyTokenizer:
    return PolicyTokenizer(train_tokenizer(TEXTS * 20, 320, codebook), codebook)


def micro_policy(seed: int = 0, scale: float = 12.0) -> Policy:
    """`scale` makes the random weights loud, so that distributions are far from even and errors show."""
    tokenizer = micro_tokenizer()
    policy = new_policy(tokenizer, tiny_config(len(tokenizer), hidden=32, layers=2, heads=4, mlp=64), seed)
    for parameter in policy.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(scale)
    return policy
