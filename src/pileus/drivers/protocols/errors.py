"""The errors of drivers, and how they say that work is still under way."""


class DriverError(Exception):
    """A driver cannot do what was asked; `retryable` says whether another try may succeed."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class DriverUnreachable(DriverError):
    """What a driver works with does not answer. Nothing is known about the request: tasks wait until it answers."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class NotYetDone(Exception):
    """What was asked is under way, and the call is to be repeated after some seconds. Only for what tasks call."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Not done yet: look again in {seconds:g} s")
        self.seconds = seconds
