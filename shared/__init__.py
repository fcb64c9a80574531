"""Technique every service stands on. No word of the business lives here, and nothing of services or deploy is imported."""
