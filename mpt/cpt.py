"""Context-aware prompt tuning: a few examples, moved a little. Shapes: mpt.prompt; C their tokens.

Blau et al. 2024, arXiv 2410.17222. PEFT reads the context anew for every example; here it is read
once a step, since no row behind it changes it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from mpt.context import Context, Role
from mpt.decoder_only import DecoderOnly
from mpt.prompt import Prefix, Prompt


class ContextPrompt(Prompt):
    """The embeddings of a context, each of which may move within a ball; labels stay.

    Args:
        context: the tokens.
        embeddings: theirs, [C, H], float32.
        radii: how far each may move, [C]; 0 is not at all.
        front: a prompt that stands before the context and stays as it is, [P, H].
    """

    ids: Tensor
    roles: Tensor
    examples: Tensor
    embeddings: Tensor
    radii: Tensor
    front: Tensor

    def __init__(
        self, context: Context, embeddings: Tensor, radii: Tensor, front: Tensor | None = None
    ) -> None:
        super().__init__()
        none = embeddings.new_zeros(0, embeddings.shape[1])
        self.register_buffer("ids", context.ids.clone())
        self.register_buffer("roles", context.roles.clone())
        self.register_buffer("examples", context.examples.clone())
        self.register_buffer("embeddings", embeddings.detach().clone())
        self.register_buffer("radii", radii.detach().clone())
        self.register_buffer("front", none if front is None else front.detach().clone())
        self.delta = nn.Parameter(torch.zeros_like(embeddings))  # [C, H]

    @property
    def context(self) -> Context:
        """The tokens that it began as."""
        return Context(self.ids, self.roles, self.examples)

    def forward(self, task_ids: Tensor) -> Prefix:
        """Return the front and the moved context, for each of `task_ids` [B]."""
        return Prefix(self.task(0).unsqueeze(0), torch.zeros_like(task_ids))

    def task(self, k: int) -> Tensor:
        """Return the front and the moved context, [P + C, H], whichever task `k` is."""
        moved = self.embeddings + self.delta * (self.radii > 0).unsqueeze(1)
        return torch.cat([self.front, moved])

    def slow(self) -> list[nn.Parameter]:
        """Return what is moved."""
        return [self.delta]

    def fast(self) -> list[nn.Parameter]:
        """Return nothing: no part of it belongs to one task."""
        return []

    @torch.no_grad()
    def project_(self) -> None:
        """Pull each token's move [C, H] back into its ball, in place.

        After the optimizer's step: inside `forward` it would change the very weights whose
        gradient is being taken.
        """
        norm = self.delta.norm(dim=1).clamp_min(torch.finfo(self.delta.dtype).tiny)
        self.delta.mul_((self.radii / norm).clamp_max(1.0).unsqueeze(1))


def start(
    backbone: DecoderOnly,
    context: Context,
    *,
    input_radius: float,
    format_radius: float,
    front: Tensor | None = None,
) -> ContextPrompt:
    """Return the prompt that has not moved: in-context learning.

    Args:
        backbone: whose embeddings are moved.
        context: the tokens.
        input_radius: ε of the examples' words; times sqrt(H / 2048), as in PEFT.
        format_radius: ε of their format.
        front: a prompt of the same backbone to stand before them, [P, H].
    """
    scale = (backbone.hidden_size / 2048) ** 0.5
    radii = torch.zeros(len(context.ids))
    radii[context.roles == Role.INPUT] = input_radius * scale
    for role in (Role.INPUT_FORMAT, Role.OUTPUT_FORMAT):
        radii[context.roles == role] = format_radius * scale
    embeddings = backbone.embed(context.ids.to(backbone.device)).float().cpu()
    return ContextPrompt(context, embeddings, radii, front)


def context_loss(
    backbone: DecoderOnly, prompt: ContextPrompt, drawn: Sequence[int], decay: float
) -> Tensor:
    """Return the loss of B examples, each appended to the whole context it is one of.

    Cross-entropy on the label tokens of the appended example, weight 1, and of every example of the
    context, weight γ^r for the r-th from the end; the mean over all label tokens of all B texts. It
    is not divided by the weights' sum, as in PEFT: a smaller γ makes the loss smaller.

    Args:
        backbone: the frozen model.
        prompt: what is trained.
        drawn: which examples of the context are appended, B of them.
        decay: γ.

    Returns:
        Scalar, in nats.
    """
    context = prompt.context
    asked = (context.roles == Role.LABEL).nonzero().squeeze(1)  # [N]
    rows, labels, read = _appended(context, drawn)
    owners, longest = rows.new_zeros(len(rows)), int(read.sum(dim=1).max())
    (front,), (states,) = backbone.causal.together(
        prompt.task(0).unsqueeze(0), owners, rows[:, :longest], read[:, :longest]
    )
    before = front[len(prompt.front) + asked - 1]
    ours = _nats(backbone, before, context.ids[asked])
    weights = decay ** (context.num_examples - context.examples[asked]).to(ours)
    row, place = labels.nonzero(as_tuple=True)
    theirs = _nats(backbone, states[row, place - 1], rows[row, place])
    total = len(drawn) * (weights * ours).sum() + theirs.sum()
    return total / (len(drawn) * len(ours) + len(theirs))


def _nats(backbone: DecoderOnly, states: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(backbone.logits(states), targets, reduction="none")


def _appended(context: Context, drawn: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Return the examples `drawn`: their tokens [B, T], where labels are, and what is read.

    Nothing is read from a label's last token on: it is predicted, and nothing follows it.
    """
    mine = [(context.examples == example) & (context.roles != Role.NONE) for example in drawn]
    roles = pad_sequence([context.roles[one] for one in mine], batch_first=True)
    ids = pad_sequence([context.ids[one] for one in mine], batch_first=True)
    labels = roles == Role.LABEL
    behind = labels.flip(1).cumsum(dim=1).flip(1) - labels.long()  # label tokens that follow
    return ids, labels, behind > 0
