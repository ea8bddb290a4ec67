"""Questions to the user."""

from . import _lodestore


def ask(question, choices, default=None):
    """The user's choice, asked for until it is one of `choices`; nothing typed means `default`, if there is one.

    Raises `DataJointError` if there is nobody to ask.
    """
    shown = ", ".join(choice.title() if choice == default else choice for choice in choices)
    while True:
        try:
            answer = input(f"{question} [{shown}]: ").strip().lower()
        except EOFError:
            raise _lodestore.error(
                "invalid-request",
                f"there is nobody to answer: {question}",
                "give `prompt=False`, or set `dj.config['safemode'] = False`",
            ) from None
        answer = answer or default
        if answer in choices:
            return answer
