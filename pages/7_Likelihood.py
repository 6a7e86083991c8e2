"""Page: how likely the model finds a sequence, and how well each way of estimating that spends its passes."""

import streamlit as st

from mi_core.errors import MiCoreError
from pages.ui import frame, likelihood, likelihood_records, likelihood_run, mutations

frame.setup(
    "Likelihood",
    intro="How likely does the model find this sequence, and where does that information sit? A masked model's "
    "denoising losses **are** its log-likelihood ([arXiv 2510.24088](https://arxiv.org/abs/2510.24088)); the ways to "
    "add them up differ in how fast they get there.",
)

try:
    asked = likelihood_run.choose()
    report = likelihood_run.current(asked)
except MiCoreError as error:
    st.error(str(error))
    st.stop()
likelihood_run.explain(asked)
likelihood_run.controls(asked)
if report is None:
    likelihood_records.show()
    st.stop()
likelihood.headline(report)
left, right = st.columns([3, 2], gap="large")
with left:
    likelihood.race_chart(report)
with right:
    likelihood.variance_chart(report)
likelihood.methods_table(report)
left, right = st.columns(2, gap="large")
with left:
    likelihood.information_chart(report)
with right:
    likelihood.denoising_chart(report)
likelihood.contributions(report, asked.is_board)
if report.scan is not None:
    mutations.show(likelihood_run.protein_of(asked), report.scan)
likelihood.downloads(report)
likelihood_records.show()
