"""A small GPT (Radford 2019): a decoder-only transformer with normalization first."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from dlengine.errors import EngineError, unknown
from dlengine.initial import seeded, sizes

# layers, heads, width, context, vocabulary
SIZES = {
    "tiny": (4, 4, 128, 64, 65),  # characters, seconds to minutes on a CPU
    "char": (6, 6, 384, 256, 65),  # characters, for a GPU
    "gpt2": (12, 12, 768, 1024, 50257),
}


def gpt(
    size: str = "tiny",
    *,
    vocabulary: int | None = None,
    context: int | None = None,
    layers: int | None = None,
    heads: int | None = None,
    width: int | None = None,
    dropout: float = 0.0,
    seed: int | None = 0,
) -> GPT:
    """A GPT of a known size, changed where other numbers are given: (N, T) tokens -> (N, T, vocabulary) logits.

    size: "tiny" and "char" for texts of characters, "gpt2" with 124,439,808 parameters.
    """
    if size not in SIZES:
        raise unknown("size of GPT", size, SIZES)
    given = (layers, heads, width, context, vocabulary)
    chosen = [default if value is None else value for value, default in zip(given, SIZES[size], strict=True)]
    sizes(**dict(zip(("layers", "heads", "width", "context", "vocabulary"), chosen, strict=True)))
    if chosen[2] % chosen[1]:
        raise EngineError(
            f"a width of {chosen[2]} cannot be split over {chosen[1]} heads", "heads must divide the width"
        )
    with seeded(seed):
        return GPT(*chosen, dropout=dropout)


class GPT(nn.Module):
    """Tokens (N, T) -> logits of the next token (N, T, vocabulary); T is at most `context`.

    The output layer shares its weights with the token embedding.
    """

    def __init__(self, layers: int, heads: int, width: int, context: int, vocabulary: int, *, dropout: float) -> None:
        super().__init__()
        self.context = context
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.dropout = nn.Dropout(dropout)
        blocks = [_Block(width, heads, dropout) for _ in range(layers)]
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        self.head.weight = self.tokens.weight
        self.apply(_initialize)
        for block in blocks:  # the sum over all layers keeps the size of one
            for last in (block.project, block.narrow):
                nn.init.normal_(last.weight, std=0.02 / math.sqrt(2 * layers))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tokens(tokens) + self.positions.weight[: tokens.size(1)]
        return self.head(self.norm(self.blocks(self.dropout(x))))

    def default_loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross entropy over all places: logits (N, T, vocabulary), the next tokens (N, T)."""
        try:
            return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        except IndexError:
            raise _outside("next tokens", targets, self.tokens.num_embeddings) from None

    @torch.no_grad()
    def generate(
        self,
        tokens: torch.Tensor,
        count: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        seed: int | None = None,
    ) -> torch.Tensor:
        """The tokens (N, T) with `count` drawn ones after them; temperature 0 takes the likeliest.

        top_k: draw among the k likeliest. seed: of the draw; None draws from torch's generator.
        """
        if not isinstance(tokens, torch.Tensor) or tokens.is_floating_point():
            raise EngineError("tokens that are no tensor of whole numbers", "give a torch tensor (N, T) of them")
        if tokens.dim() != 2 or tokens.size(1) == 0:
            raise EngineError(f"tokens of shape {tuple(tokens.shape)}", "give (N, T) with at least one token")
        if int(tokens.min()) < 0 or int(tokens.max()) >= self.tokens.num_embeddings:
            raise _outside("tokens", tokens, self.tokens.num_embeddings)
        sizes(0, count=count)
        sizes(top_k=1 if top_k is None else top_k)
        if temperature < 0:
            raise EngineError(f"temperature={temperature}", "give a number of at least 0")
        generator = None if seed is None else torch.Generator(tokens.device).manual_seed(seed)
        training = self.training
        self.eval()
        for _ in range(count):
            scores = self(tokens[:, -self.context :])[:, -1]
            if temperature == 0:
                drawn = scores.argmax(dim=1, keepdim=True)
            else:
                if top_k is not None:
                    least = scores.topk(min(top_k, scores.size(1))).values[:, -1:]
                    scores = scores.masked_fill(scores < least, -math.inf)
                drawn = torch.multinomial((scores / temperature).softmax(dim=1), 1, generator=generator)
            tokens = torch.cat([tokens, drawn], dim=1)
        self.train(training)
        return tokens


def _outside(what: str, tokens: torch.Tensor, vocabulary: int) -> EngineError:
    lowest, highest = (int(value) for value in tokens.aminmax())
    return EngineError(
        f"the {what} span {lowest}..{highest}, and the vocabulary has {vocabulary}",
        f"they lie in 0..{vocabulary - 1}; give vocabulary=",
    )


class _Block(nn.Module):
    """Causal attention and a dense layer of four times the width, each added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.wide = nn.Linear(width, 4 * width)
        self.gelu = nn.GELU(approximate="tanh")
        self.narrow = nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.dropout(self.project(self._attention(self.norm1(x))))
        return x + self.dropout(self.narrow(self.gelu(self.wide(self.norm2(x)))))

    def _attention(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.attend(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        rate = self.rate if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True)
        return mixed.transpose(1, 2).flatten(2)


def _initialize(module: nn.Module) -> None:
    """GPT-2's initial weights."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
