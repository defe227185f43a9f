"""Commands: one module a noun, one function a verb."""
