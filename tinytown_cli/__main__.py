"""`python -m tinytown_cli`: the same as `tt`."""

from tinytown_cli.quick import main

if __name__ == "__main__":
    main()
