"""Page: how far each way of getting pairwise MI can be trusted, and what it costs; MI of two columns of samples."""

import streamlit as st

from mi_core.errors import MiCoreError
from pages.ui import estimator_cases, estimator_figures, estimator_run, estimator_samples, estimators, frame

frame.setup(
    "Estimators",
    intro="How far can an estimate of mutual information be trusted, and what does it cost? Every estimator beside the "
    "**ground truth**, full conditional probing, over all pairs of open positions.",
)

if estimators.section() == estimators.SAMPLES:
    estimator_samples.show()
    st.stop()
try:
    asked = estimators.choose()
    study = estimators.current(asked)
except MiCoreError as error:
    st.error(str(error))
    st.stop()
if asked is not None:
    estimator_run.controls(asked, "Compare all estimators")
if study is None:
    st.stop()
estimators.headline(study)
left, right = st.columns([3, 2], gap="large")
with left:
    estimator_figures.cost_chart(study)
with right:
    estimator_figures.ranking_chart(study)
estimators.table(study)
row = estimators.pick(study)
if row is not None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        estimator_figures.density_chart(row)
    with right:
        estimator_figures.by_ratio_chart(study, row)
        estimator_figures.by_size_chart(row)
    estimator_cases.show(study, row)
estimators.calibration(study)
estimators.diagnostics(study)
estimators.downloads(study)
