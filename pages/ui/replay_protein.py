"""What the replay says of a protein: residue names, its structure, and how the run ended. No streamlit here."""

from mi_core.decoding import DecodeTrace
from mi_core.protein_view import Protein, residue_name
from mi_core.proteins.contacts import SEPARATION, ContactMap
from mi_core.proteins.sequence import VOCAB
from pages.ui.protein_payload import structure
from pages.ui.replay_payload import About, Json, Words, run_payload

WORDS = Words(
    whole="Sequence",
    one="residue",
    many="residues",
    symbol="letter",
    start="Dots are open residues, tinted by how uncertain the model is.",
    legend="Ring and spheres: committed in this step. Colour and small number: the step that committed the residue. "
    "Bold: the letter of the native sequence, slanted: another one. Lines: the strongest MI among those committed "
    "together, solid blue where they touch in the structure, dashed vermillion where not. ↶ dotted: taken back.",
)


def protein_run(trace: DecodeTrace, protein: Protein, contacts: ContactMap | None) -> Json:
    """One run, for the browser. contacts: of the structure, where there is one."""
    count, opened = len(protein), trace.start.count(VOCAB.mask_id)
    known = [i for i, token in enumerate(trace.start) if token == VOCAB.mask_id and protein.letters[i] != VOCAB.mask]
    same = sum(protein.letters[i] == trace.output[i] for i in known)
    share = f"{100 * same / len(known):.0f} %" if known else "-"
    facts: list[list[str | int]] = [
        ["Native letters", share, f"{same} of {len(known)} masked residues whose letter is known"],
        ["Residues a pass", f"{opened / max(trace.nfe, 1):.2g}", f"{opened} of {count} residues designed"],
    ]
    touching = [] if contacts is None else contacts.contacts.triu(1).nonzero().tolist()
    if contacts is not None:
        at = trace.committed_at()
        pairs = [(at[i], at[j]) for i, j in touching if j - i >= SEPARATION and None not in (at[i], at[j])]
        together = sum(first == second for first, second in pairs)
        said = f"of {len(pairs)} touching pairs, {SEPARATION} or more apart in sequence, went in one step"
        facts.append(["Contacts at once", together, said])
    about = About(
        kind="protein",
        names=[residue_name(protein, i) for i in range(count)],
        words=WORDS,
        facts=facts,
        tag="in contact",
        tagged=touching,
        clashes=[],
        wrong=[],
        letters=protein.letters,
        labels=list(protein.labels),
        structure=structure(protein),
    )
    return run_payload(trace, about)
