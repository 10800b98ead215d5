"""Taking people's text away for good, by what it says, which answer it is, who asked or whose client it is."""
