"""The protein of the Protein page: an example, a pasted sequence, or a file; what is wrong with it in one sentence.

A pasted sequence (`pr_sequence`, in the address) goes before an uploaded structure, and that before the example
(`pr_preset`, in the address). What was uploaded lives in the session alone; `pr_shown` is the last good protein.
"""

import streamlit as st

from mi_core.errors import MiCoreError
from mi_core.protein_view import LEAST_IDENTITY, Protein, of_chain, of_record, read_upload
from mi_core.proteins.presets import PRESETS, load_preset
from mi_core.proteins.sequence import Record, parse
from mi_core.proteins.structure import Chain, Structure
from pages.ui import protein_models
from pages.ui.address import keep, recall

START = "bpti"
UPLOAD_MB = 10


def choose() -> Protein:
    """Draw the pickers and messages; the protein to show."""
    state = st.session_state
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _example()
        with st.popover("Paste", icon=":material/content_paste:"):
            st.text_area(
                "Sequence: amino acid letters or FASTA, `_` where open",
                key="pr_sequence",
                bind="query-params",
                height=160,
                width=560,
            )
            st.button("Remove the sequence", key="pr_clear", on_click=_clear_sequence)
        with st.popover("Upload", icon=":material/upload_file:"):
            _uploader()
    protein = _read()
    state["pr_shown"] = protein
    for message in (state.pop("pr_note", ""), protein.note):
        if message:
            st.info(message)
    _explain(protein)
    return protein


def _example() -> None:
    own = st.session_state.get("pr_sequence") or st.query_params.get("pr_sequence") or _structure() is not None
    st.session_state["pr_example"] = None if own else _preset()
    st.selectbox(
        "Example",
        list(PRESETS),
        index=None,
        format_func=lambda name: f"{PRESETS[name].title} ({PRESETS[name].residues})",
        placeholder="Own protein",
        key="pr_example",
        on_change=_load_example,
        width=330,
    )


def _uploader() -> None:
    st.file_uploader(
        f"FASTA, PDB or mmCIF, also gzip, up to {UPLOAD_MB} MB",
        key="pr_file",
        max_upload_size=UPLOAD_MB,
        on_change=_uploaded,
        help="A structure beside a pasted sequence is aligned with it; the identity is shown.",
    )
    found = _structure()
    if found is not None and len(found.chains) > 1:
        names = {f"{chain.id} ({len(chain)} residues)": chain.id for chain in found.chains}
        picked = st.selectbox("Chain", list(names), key="pr_chain_name")
        st.session_state["pr_chain"] = names[picked]


def _structure() -> Structure | None:
    found: Structure | None = st.session_state.get("pr_structure")
    return found


def _preset() -> str:
    name = recall("pr_preset")
    return name if name in PRESETS else START


def _read() -> Protein:
    """The protein that is asked for; the last good one, with a message, if that cannot be read."""
    fault = st.session_state.pop("pr_fault", "")
    if fault:
        st.error(fault)
    try:
        return _asked_for()
    except MiCoreError as error:
        st.error(str(error))
    before: Protein | None = st.session_state.get("pr_shown")
    return before or of_chain(load_preset(_preset()), PRESETS[_preset()].title)


def _asked_for() -> Protein:
    found = _structure()
    chain = None if found is None else found.chain(_chain_id(found))
    text = st.session_state.get("pr_sequence", "")
    if text.strip():
        return of_record(parse(text), chain)
    if chain is not None:
        return of_chain(chain, str(st.session_state.get("pr_name", "Uploaded structure")))
    return of_chain(load_preset(_preset()), PRESETS[_preset()].title)


def _chain_id(found: Structure) -> str | None:
    wanted = st.session_state.get("pr_chain")
    return wanted if wanted in {chain.id for chain in found.chains} else None


def _explain(protein: Protein) -> None:
    preset = next((p for p in PRESETS.values() if p.title == protein.name), None)
    if preset and st.session_state.get("pr_example"):
        st.caption(f"**{preset.title}** (PDB {preset.pdb_id}, chain {preset.chain}). {preset.why}")
        return
    parts = [f"**{_plain(protein.name)}**, {len(protein)} residues."]
    if protein.placed is not None and not protein.is_its_chain:
        parts.append(f"Aligned with the structure: {protein.placed}.")
    if protein.chain is None:
        parts.append("No structure: map and strip only.")
    st.caption(" ".join(parts))
    if protein.placed is not None and protein.placed.identity < LEAST_IDENTITY:
        st.warning("So low an identity is what unrelated proteins reach: contacts and 3D may mean nothing here.")


def _plain(text: str) -> str:
    """Names come from files: only letters, digits and a few signs reach Markdown."""
    return "".join(c if c.isalnum() or c in " .-" else " " for c in text)[:60].strip() or "Own protein"


# Callbacks


def _load_example() -> None:
    if name := st.session_state["pr_example"]:
        protein_models.follow(name)
        _forget_upload()
        st.session_state["pr_sequence"] = ""
        keep("pr_preset", "" if name == START else name)
        _new_protein()


def _clear_sequence() -> None:
    st.session_state["pr_sequence"] = ""
    _new_protein()


def _uploaded() -> None:
    file = st.session_state["pr_file"]
    if file is None:
        _forget_upload()
        return
    try:
        found = read_upload(file.getvalue())
        if isinstance(found, Record):
            st.session_state["pr_sequence"] = f">{found.name}\n{found.letters}" if found.name else found.letters
            st.session_state["pr_note"] = found.note
        else:
            _check(found.chain())
            st.session_state["pr_structure"] = found
            st.session_state["pr_name"] = file.name
            st.session_state.pop("pr_chain", None)
    except MiCoreError as error:
        st.session_state["pr_fault"] = str(error)
    else:
        _new_protein()


def _check(chain: Chain) -> None:
    """Refuse a structure that cannot be shown before it takes the place of the one that is."""
    text = st.session_state.get("pr_sequence", "")
    if text.strip():
        of_record(parse(text), chain)
    else:
        of_chain(chain, "")


def _forget_upload() -> None:
    for name in ("pr_structure", "pr_chain", "pr_name"):
        st.session_state.pop(name, None)


def _new_protein() -> None:
    """Numbers of another protein mean other residues."""
    st.session_state["pr_mask"] = protein_models.start_mask(st.session_state.get("pr_model", ""))
    keep("pr_pin", "")
