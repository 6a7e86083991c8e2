"""State that no widget holds, in the address and the session at once."""

import streamlit as st


def recall(key: str) -> str:
    """The value of `key`: what the address says, else the session, else nothing."""
    value = str(st.query_params.get(key, st.session_state.get(key, "")))
    keep(key, value)
    return value


def keep(key: str, value: str) -> None:
    """Remember a value; an empty one leaves the address."""
    st.session_state[key] = value
    if value and st.query_params.get(key) != value:
        st.query_params[key] = value
    elif not value and key in st.query_params:
        del st.query_params[key]
