"""Tests that break something while the cloud works, and check that nothing is lost, half done or answered by a 500.

One file for each subject:

- `test_outages.py`: PostgreSQL stops, hangs, loses connections and comes back.
- `test_reference_races.py`: two servers over one PostgreSQL use and delete the same resource at the same time.

Everything stays in this process or on the loopback interface, and every test has a fixed number of rounds. The suite
runs the short form. `make chaos` runs the long form: FACTOR times as many rounds. A test takes its number of rounds
from `tests.chaos.rounds.rounds`. All tests of this folder have the marker `chaos`.

To add a subject, add a file `test_<subject>.py` and a line above.
"""
