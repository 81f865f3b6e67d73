"""A grid of settings over a recipe: every point a trial, the winner named, resumable, shared by several processes."""
