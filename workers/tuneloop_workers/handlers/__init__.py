"""Handlers of the jobs that need torch, llama.cpp or the libraries of the checks."""
