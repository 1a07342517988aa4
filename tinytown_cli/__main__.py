"""`python -m tinytown_cli`: the same as `tt`."""

from tinytown_cli.app import main

if __name__ == "__main__":
    main()
