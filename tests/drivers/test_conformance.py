"""The conformance suite, on both built-in drivers."""

from pileus.testing.conformance.test_load_balancers import *  # noqa: F403  # pytest collects the tests here
from pileus.testing.conformance.test_machines import *  # noqa: F403  # pytest collects the tests here
from pileus.testing.conformance.test_networks import *  # noqa: F403  # pytest collects the tests here
from pileus.testing.conformance.test_storage import *  # noqa: F403  # pytest collects the tests here
