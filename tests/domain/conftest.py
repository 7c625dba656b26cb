"""Settings of the property tests."""

from hypothesis import settings

# A busy machine is no failure: rules are judged by what they answer, not by how long one example took.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
