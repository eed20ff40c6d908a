"""``python -m mistralrs``."""

from mistralrs.cli.main import main

if __name__ == "__main__":
    main()
