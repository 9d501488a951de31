"""The built-in brain: a deterministic stand-in for a language model, for demos, tests and bare machines."""

from vivavoce.engines.cascade.brain.brain import Brain

__all__ = ["Brain"]
