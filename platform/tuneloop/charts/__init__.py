"""Vega-Lite specifications of every chart: pages and reports draw the same ones.

Functions of plain data, with no colour in them: a theme from `tuneloop.charts.themes` gives it.
"""
