"""Running models on evaluation items and scoring their answers."""
