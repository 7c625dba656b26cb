"""The error of drivers."""


class DriverError(Exception):
    """A driver cannot do what was asked; `retryable` says whether another try may succeed."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable
