"""Mutants: parts that break one promise each, for tests of the conformance kit itself."""
