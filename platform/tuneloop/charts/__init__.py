"""Vega-Lite specifications of every chart: pages and reports draw the same ones."""
