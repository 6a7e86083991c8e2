"""What tuning to a family is said to have taught, on linear models whose couplings are known."""

import torch

from mi_core.benchmarks.coupling import Case, MapRecipe
from mi_core.benchmarks.family_tuning import bench_family_tuning
from mi_core.models.family import FamilyModel
from mi_core.proteins.contacts import ContactMap
from mi_core.proteins.sequence import VOCAB

LENGTH = 24
CONTACTS = [(0, 12), (2, 14), (4, 16), (6, 18), (8, 20)]


def family(pairs: list[tuple[int, int]], name: str) -> FamilyModel:
    """Columns that are alike where a pair couples them."""
    couplings = torch.zeros(LENGTH, 21, LENGTH, 20)
    for i, j in pairs:
        couplings[i, :20, j] = couplings[j, :20, i] = 3.0 * torch.eye(20)
    return FamilyModel(torch.zeros(LENGTH, 20), couplings.view(LENGTH * 21, LENGTH * 20), name=name)


def case() -> Case:
    touching = torch.zeros(LENGTH, LENGTH, dtype=torch.bool)
    for i, j in CONTACTS:
        touching[i, j] = touching[j, i] = True
    everywhere = torch.ones(LENGTH, dtype=torch.bool)
    distances = torch.where(touching, 5.0, 20.0).double()
    truth = ContactMap(touching, everywhere, distances, "beta", 8.0)
    return Case("made", VOCAB.encode("ACDEFGHIKLMN" * 2), torch.arange(LENGTH), truth)


def test_what_rose_touches_and_what_was_there_before_is_not_counted_as_learned() -> None:
    apart = [(1, 15), (3, 17), (5, 19)]  # the reference has couplings of its own, which touch nowhere
    reference, tuned = family(apart, "before"), family([*apart, *CONTACTS], "after")
    alike = "ACDEFGHIKLMN" * 2  # columns 12 apart hold the same residue: what the tuning taught
    unlike = "ACDEFGHIKLMNWYVTSRQPCDEF"
    told: list[str] = []
    found = bench_family_tuning(
        tuned,
        reference,
        case(),
        MapRecipe(masks=12, ratio=0.8, mass=1.0),
        members=[alike, alike[:12] * 2],
        others=[unlike],
        tick=lambda done, total, label: told.append(label),
    )
    precision = {row["route"]: row["p_l5"] for row in found["contacts"]}  # of the four strongest pairs
    assert precision["risen"] == 1.0 and precision["reference"] <= 0.25
    assert found["mean_nats"]["tuned"] > found["mean_nats"]["reference"] and found["risen_nats"] > 0
    members, others = found["rewards"]["members"], found["rewards"]["others"]
    assert members["a_residue"] > 0.2 and members["positive"] == 1.0 and members["sequences"] == 2
    assert others["a_residue"] < 0 and others["positive"] == 0.0
    assert found["identity"] == {"reward": 0.0, "largest_mi_change": 0.0, "least_entropy_of_q": 1.0}
    assert {"MI, before", "MI, after", "rewards, members", "rewards, others"} == set(told)
