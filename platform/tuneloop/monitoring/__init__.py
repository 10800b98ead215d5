"""Is the model still as good as when it was deployed?"""
