"""Targets and losses of a centre-based tracking head (score, size and offset maps of ``[B, *, M, M]``)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FOCAL, GIOU, L1 = 1.0, 2.0, 5.0
"""Weights of the three terms, OSTrack's and SMAT's (Ye et al., ECCV 2022)."""
MATCH, TEMPERATURE = 0.5, 0.1
"""Weight of the matching term, and by what its cosines are divided."""


def heat_map(box: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Gaussian centre maps ``[B, M, M]`` (1 at the centre's cell, deviation a sixth of the box, 0.45 to 1.2 cells)
    and the centre's cell ``[B, 2]`` (x, y), from ``box`` ``[B, 4]`` (cx, cy, w, h in [0, 1])."""
    cell = (box[:, :2] * cells).floor().clamp(0, cells - 1)
    deviation = (box[:, 2:] * cells / 6).clamp(0.45, 1.2)
    line = torch.arange(cells, device=box.device, dtype=box.dtype)
    across = torch.exp(-0.5 * ((line[None] - cell[:, :1]) / deviation[:, :1]) ** 2)
    down = torch.exp(-0.5 * ((line[None] - cell[:, 1:]) / deviation[:, 1:]) ** 2)
    return down[:, :, None] * across[:, None, :], cell


def focal_loss(score: Tensor, heat: Tensor) -> Tensor:
    """CornerNet's focal loss (alpha 2, beta 4) of ``score`` ``[B, M, M]`` in (0, 1), a mean over the batch."""
    score = score.clamp(1e-4, 1 - 1e-4)
    centre = heat >= 1.0
    hit = -((1 - score) ** 2) * score.log()
    miss = -((1 - heat) ** 4) * score**2 * (1 - score).log()
    return torch.where(centre, hit, miss).sum() / len(score)


def decode(size: Tensor, offset: Tensor) -> Tensor:
    """Every cell's box (cx, cy, w, h in [0, 1]) as ``[B, 4, M, M]``."""
    cells = size.shape[-1]
    line = torch.arange(cells, device=size.device, dtype=size.dtype)
    x = (line[None, None, :] + offset[:, 0]) / cells
    y = (line[None, :, None] + offset[:, 1]) / cells
    return torch.stack([x, y, size[:, 0], size[:, 1]], 1)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU (Rezatofighi et al., CVPR 2019) of boxes (cx, cy, w, h) along dimension 1, in [-1, 1]."""
    a_low, a_high = a[:, :2] - a[:, 2:] / 2, a[:, :2] + a[:, 2:] / 2
    b_low, b_high = b[:, :2] - b[:, 2:] / 2, b[:, :2] + b[:, 2:] / 2
    overlap = (torch.minimum(a_high, b_high) - torch.maximum(a_low, b_low)).clamp(min=0).prod(1)
    union = a[:, 2:].prod(1) + b[:, 2:].prod(1) - overlap
    hull = (torch.maximum(a_high, b_high) - torch.minimum(a_low, b_low)).prod(1)
    return overlap / union.clamp(min=1e-8) - (hull - union) / hull.clamp(min=1e-8)


def box_loss(size: Tensor, offset: Tensor, box: Tensor, heat: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """GIoU and L1 losses at the centre's cell and its neighbours, weighted by ``heat``: at tracking time the
    maximum is often one cell off, and that cell has to know the box too."""
    cells = size.shape[-1]
    line = torch.arange(cells, device=box.device, dtype=box.dtype)
    near_x = (line[None] - cell[:, :1]).abs() <= 1
    near_y = (line[None] - cell[:, 1:]).abs() <= 1
    weight = heat * (near_y[:, :, None] & near_x[:, None, :])
    weight = weight / weight.sum((1, 2), keepdim=True)
    boxes = decode(size, offset)
    truth = box[:, :, None, None].expand_as(boxes)
    giou_term = ((1 - giou(boxes, truth)) * weight).sum() / len(box)
    l1_term = (F.l1_loss(boxes, truth, reduction="none").mean(1) * weight).sum() / len(box)
    return giou_term, l1_term


def matching_loss(x: Tensor, z: Tensor, box: Tensor) -> Tensor:
    """How badly the template's middle finds its target among all that could be it (InfoNCE: van den Oord et al.,
    2018). ``x`` ``[B, C, M, M]`` and ``z`` ``[B, C, m, m]`` are the features that the correlation multiplies; the
    candidates are the search crop's cells and the targets of the batch's other pairs, compared by cosine."""
    x, z = F.normalize(x.float().flatten(2), dim=1), z.float()
    cells, side = int(x.shape[2] ** 0.5), z.shape[-1]
    middle = slice(side // 4, side - side // 4)
    anchor = F.normalize(z[:, :, middle, middle].mean((2, 3)), dim=1)
    heat, cell = heat_map(box, cells)
    own = torch.einsum("bc,bcn->bn", anchor, x)
    at = (cell[:, 1] * cells + cell[:, 0]).long()
    targets = x[torch.arange(len(x), device=x.device), :, at]
    itself = torch.eye(len(x), dtype=torch.bool, device=x.device)
    others = (anchor @ targets.T).masked_fill(itself, -1e4)
    heat = heat.flatten(1)
    own = own.masked_fill((heat > 0.3) & (heat < 1), -1e4)  # the target's other cells are neither right nor wrong
    logits = torch.cat([own, others], 1) / TEMPERATURE
    return F.cross_entropy(logits, at)


def tracking_loss(score: Tensor, size: Tensor, offset: Tensor, box: Tensor) -> tuple[Tensor, dict[str, float]]:
    """The weighted sum, and its terms for display. Maps as the network gives them, ``box`` ``[B, 4]``."""
    score, size, offset = score.float(), size.float(), offset.float()
    heat, cell = heat_map(box, score.shape[-1])
    focal = focal_loss(score[:, 0], heat)
    giou_term, l1_term = box_loss(size, offset, box, heat, cell)
    total = FOCAL * focal + GIOU * giou_term + L1 * l1_term
    return total, {"focal": focal.item(), "giou": giou_term.item(), "l1": l1_term.item()}
