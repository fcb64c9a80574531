"""Shapes of requests and answers: types and lengths. What a value means is judged in domain/."""
