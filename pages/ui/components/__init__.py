"""Components that run in the browser. One module each; their scripts and style sheets lie beside them."""
