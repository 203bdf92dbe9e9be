"""A network on graphs: particles that look at their nearest neighbours."""

import torch
from torch import Tensor, nn

from .layers import MLP
from .sets import Cloud, DeepSets

CLOSEST = 1e-3  # sin θ/2, below which two particles fly the same way
MIDDLE = 1.5  # the usual −ln sin θ/2 of neighbours, whose spread is one: a network learns from such numbers


class GraphNet(nn.Module):
    r"""A function of sets that sees pairs: each particle hears from its nearest neighbours in angle, then Deep Sets.

    The features :math:`h_i = \mathrm{MLP}(x_i)` of a particle take up messages from the n particles j that fly nearest
    to its own direction, as in ParticleNet :cite:p:`qu2020jet`,

    .. math:: h_i \to h_i + \mathrm{MLP}\Bigl(h_i, \sum_j \sigma\bigl(A h_i + B h_j + c\,\ln\sin\tfrac12
        \theta_{ij}\bigr)\Bigr) ,

    and are added up over the set for another MLP. With the energies the angle gives the mass of a pair,
    :math:`m^2 = 4 E_i E_j \sin^2 \tfrac12\theta_{ij}` if its particles have none. Neither the order of particles
    matters, nor how the directions of a set are turned.

    Parameters
    ----------
    n_features, n_out : int
        Numbers per particle besides its direction, and per set.
    width : int
        Hidden neurons, of all layers.
    neighbours : int
        How many particles each one hears from, fewer in a small set.
    dtype : torch.dtype, optional
        Of the weights, see `MLP`.

    Examples
    --------
    >>> net = GraphNet(1)
    >>> x = torch.tensor([[0.5, 0.0, 0.0, 1.0], [0.2, 0.0, 0.6, 0.8], [0.1, 1.0, 0.0, 0.0]])
    >>> net(Cloud(x, torch.tensor([0, 0, 1]), 2)).shape
    torch.Size([2])
    """

    def __init__(
        self, n_features: int, n_out: int = 1, *, width: int = 32, neighbours: int = 6, dtype: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.embed = MLP(n_features, width, width, activation=nn.SiLU, dtype=dtype)
        self.own, self.other, self.angle = (MLP(n, width, dtype=dtype) for n in (width, width, 1))
        self.update = MLP(2 * width, width, width, activation=nn.SiLU, dtype=dtype)
        self.sets = DeepSets(width, n_out, phi=(width,), rho=(width,), activation=nn.SiLU, dtype=dtype)

    def forward(self, cloud: Cloud) -> Tensor:
        """Output for each set, shape (N,), or (N, n_out) if `n_out` is not 1.

        Parameters
        ----------
        cloud : Cloud
            N sets, whose particles have the shape (rows, n_features + 3); the last three are a unit vector.
        """
        x, direction = cloud.x[:, :-3], cloud.x[:, -3:]
        near, known = nearest(direction, cloud.index, cloud.n_sets, self.neighbours)
        apart = 0.25 * (direction[:, None] - direction[near]).square().sum(dim=2, keepdim=True)
        angle = self.angle(0.5 * apart.clamp(min=CLOSEST**2).log() + MIDDLE)
        h = self.embed(x)
        heard = self.other(h).index_select(0, near.flatten()).reshape(*near.shape, h.shape[1])
        message = nn.functional.silu(self.own(h)[:, None] + heard + angle)
        h = h + self.update(torch.cat([h, (message * known[..., None]).sum(dim=1)], dim=1))
        return self.sets(cloud._replace(x=h))


@torch.no_grad()
def nearest(direction: Tensor, index: Tensor, n_sets: int, n: int) -> tuple[Tensor, Tensor]:
    """Rows of the n others in its set that fly nearest to each particle, (rows, n), and where there are so many.

    Parameters
    ----------
    direction : Tensor, shape (rows, 3)
        Unit vectors.
    index, n_sets
        Of the `Cloud`.
    n : int
        It becomes the largest number of others, if that is less.
    """
    counts = torch.bincount(index, minlength=n_sets)
    longest = int(counts.max()) if n_sets else 0
    order, first = index.argsort(stable=True), counts.cumsum(0) - counts
    place = torch.empty_like(index)
    place[order] = torch.arange(len(index), device=index.device) - first[index[order]]
    row = index.new_zeros((n_sets, longest))
    row[index, place] = torch.arange(len(index), device=index.device)
    padded = direction[row]
    cosine = padded @ padded.mT
    empty = torch.arange(longest, device=index.device) >= counts[:, None]
    cosine.masked_fill_(empty[:, None], -torch.inf).diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    cosine, other = cosine.topk(min(n, max(longest - 1, 0)), dim=2)
    near = row.gather(1, other.flatten(1)).reshape(other.shape)
    return near[index, place], cosine[index, place] > -torch.inf
