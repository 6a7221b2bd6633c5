"""A fuzzer: inputs of any kind are answered rightly, or refused in a sentence.

``values`` has what people hand in, and what each setting may mean; ``oracle`` judges one input;
``subject`` has the models that are explained and a slow reference. Each of the other modules makes
inputs of one class. ``python -m tests.fuzz`` runs them and counts.
"""
