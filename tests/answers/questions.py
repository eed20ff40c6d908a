"""Twenty short questions of different kinds."""

from __future__ import annotations

QUESTIONS = (
    "What is the capital of France?",
    "Write a haiku about the sea.",
    "Explain photosynthesis to a child.",
    "List three prime numbers greater than ten.",
    "Translate 'good morning' into Spanish.",
    "Who wrote Romeo and Juliet?",
    "Give me a recipe for pancakes.",
    "What is 12 times 12?",
    "Name the planets of the solar system.",
    "Write a Python function that adds two numbers.",
    "Why is the sky blue?",
    "Describe a sunset in one sentence.",
    "What does HTTP stand for?",
    "Tell me a joke about cats.",
    "How do vaccines work?",
    "Summarize the story of Cinderella.",
    "What are the benefits of exercise?",
    "Convert 100 degrees Fahrenheit to Celsius.",
    "What is the largest ocean on Earth?",
    "Suggest a name for a coffee shop.",
)
