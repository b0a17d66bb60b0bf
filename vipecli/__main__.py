"""`vipe` and `python -m vipecli`."""

from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; an interrupt ends it at any moment, also while it still loads."""
    from vipecli.cli.interrupts import ending_promptly

    with ending_promptly():
        from vipecli.cli.app import main as run

        run()


if __name__ == "__main__":
    main()
