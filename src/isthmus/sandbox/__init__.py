"""Connected environments in a temporary folder, for tests of software that talks to several clusters."""

from isthmus.sandbox.fabric import Administrator, Deployment, Environment, Fabric, SecurityModel
from isthmus.sandbox.sandbox import Sandbox, SandboxOptions

__all__ = [
    "Administrator",
    "Deployment",
    "Environment",
    "Fabric",
    "Sandbox",
    "SandboxOptions",
    "SecurityModel",
]
