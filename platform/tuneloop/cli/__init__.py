"""The commands that speak to the API, one file per noun."""
