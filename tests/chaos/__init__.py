"""Tests that break or overload a running cloud, and check that nothing is lost, half done or answered by a 500.

One file for each subject:

- `test_crashes.py`: the server and its workers are killed in the middle of changes and of starts.
- `test_outages.py`: PostgreSQL stops, hangs, loses connections and comes back.
- `test_fairness.py`: a tenant does its worst beside a quiet one.
- `test_hostile_requests.py`: every operation gets valid, almost valid and hostile requests.
- `test_tenancy.py`: two tenants ask for the things of a third one, and for things that do not exist.
- `test_reference_races.py`: two servers over one PostgreSQL use and delete the same resource at the same time.
- `test_overlapping_changes.py`: two servers over one PostgreSQL change the same thing at the same time.

Everything stays in this process or on the loopback interface. The suite runs the short form, which has a fixed number
of rounds. `make chaos` runs the long form: MINUTES minutes, of which each file gets its part. A test takes its rounds
from `tests.chaos.rounds.rounds` and adds its figures to `current_figures`. All tests of this folder have the marker
`chaos`.

To add a subject, add a file `test_<subject>.py`, a line above, and its part of the time to `PARTS`.
"""
