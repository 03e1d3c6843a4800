# Tests are listed here.
