"""`vipe` and `python -m vipecli`."""

from vipecli.cli.app import main

if __name__ == "__main__":
    main()
