"""What stops the local stack, said so that the reader knows what to do next."""


class LocalStackError(Exception):
    """Tell what failed and, in `hint`, what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
