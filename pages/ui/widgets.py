"""Widgets that several pages have."""

from mimetypes import guess_type
from typing import Any

import streamlit as st

from mi_core.results import MIResult
from pages.ui.payload import duration


def segments(label: str, options: dict[str, str], key: str, label_visibility: str = "collapsed") -> str:
    """One of a few options, side by side; its key, which stands in the address as what it is called."""
    return st.segmented_control(
        label,
        list(options),
        format_func=lambda name: options[name],
        default=next(iter(options)),
        required=True,
        key=key,
        bind="query-params",
        wrap=True,
        label_visibility=label_visibility,
    )


def cost(name: str, result: MIResult) -> None:
    """Passes and time of a result."""
    passes = f"{result.passes:,} pass{'' if result.passes == 1 else 'es'}"
    st.metric(name, f"{passes} · {duration(result.seconds)}", border=True)


def download(label: str, name: str, make: Any, *, key: str | None = None) -> None:
    """A file to take away. A function is called once it is asked for; the page does not run again."""
    mime = guess_type(name)[0] or "application/octet-stream"
    st.download_button(label, make, name, mime, key=key, on_click="ignore", icon=":material/download:")


# What a component sends: triggers with a value and the time of the change in the browser. The page sends back the
# latest time it has seen, so that the browser knows whether an answer is about its present state.


def event(component: str, name: str, seen: str) -> object:
    """The value of an event of the component; its stamp is remembered under `seen`."""
    sent = getattr(st.session_state[component], name) or {}
    st.session_state[seen] = max(latest(seen), int(sent.get("stamp", 0)))
    return sent.get("value")


def latest(seen: str) -> int:
    """Stamp of the latest event that was handled."""
    return int(st.session_state.get(seen, 0))
