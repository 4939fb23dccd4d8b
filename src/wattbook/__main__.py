"""`python -m wattbook`."""

from wattbook.cli.main import main

if __name__ == "__main__":
    main()
