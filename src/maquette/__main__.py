"""`python -m maquette`, where the `maquette` command is not on the path."""

from maquette.cli import main

if __name__ == "__main__":
    main()
