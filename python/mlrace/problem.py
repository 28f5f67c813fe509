"""The one exception for what a user can put right."""


class Problem(Exception):
    """What is wrong and what to do about it, in sentences for the user; no traceback is wanted.

    The text may have several lines, the first of which can stand alone.
    """
