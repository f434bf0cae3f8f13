"""Colours and dashes of members: the same in every chart, told apart by eyes of every kind, and by dashes besides."""

from __future__ import annotations

# Okabe and Ito's colours (without yellow, which vanishes on white), then five of Tol's.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4B4B4B")
COLOURS += ("#882255", "#999933", "#332288", "#44AA99", "#6E4A1E")
# The same hues for a dark ground, each at least 4.5 times as bright as it.
DARK = ("#4BA3E3", "#FF8A4C", "#2FC79A", "#E3A1C6", "#F5BC45", "#8ED1F7", "#B8BEC6")
DARK += ("#D9769F", "#C2C25A", "#9A8CF0", "#6FD0BF", "#C79A68")
INK, SOFT, FAINT, REAL = "#1f2933", "#52606d", "#d9dee4", "#c9ced6"
RAW, CURATED = "#52606d", "#6d3fb0"
# From harm to help: orange, nothing, blue.
DIVERGING = ("#b35806", "#f1a340", "#fee0b6", "#f7f7f7", "#c6dcec", "#5aa0cf", "#0b559f")
DIVERGING_DARK = ("#ffa54d", "#c96f1e", "#6b4323", "#2a2f36", "#244a6b", "#3d85bd", "#8fcbff")
RAMP = ("#f0f4f8", "#b7d3ea", "#6aaed6", "#2b7bba", "#08468b")
RAMP_DARK = ("#1d2733", "#1f4a73", "#2f7ab8", "#6cb2e6", "#c6e4ff")
MANY = 30  # members: above it a chart shows quantiles, below it a line for each

# One pattern a member, in units of a pixel; it repeats after 36 members, colours after 12.
DASHES = [[1, 0]] * 7 + [[9, 3]] * 5 + [[9, 3, 2, 3]] * 12 + [[2, 2]] * 12
