"""The conformance suite on the recorded double of OpenStack. `make record-openstack` records it again."""

from pileus.testing.conformance.test_load_balancers import *  # noqa: F403  # pytest collects the tests here
from pileus.testing.conformance.test_machines import *  # noqa: F403  # pytest collects the tests here
from pileus.testing.conformance.test_networks import *  # noqa: F403  # pytest collects the tests here
from pileus.testing.conformance.test_storage import *  # noqa: F403  # pytest collects the tests here

# They begin with a machine in one of 20 states, which only a simulation can have: nothing is worth a recording.
del test_a_simulating_driver_can_be_set_to_any_state  # noqa: F821  # imported above

# The driver has no file shares.
del test_file_share_life_cycle  # noqa: F821  # imported above
