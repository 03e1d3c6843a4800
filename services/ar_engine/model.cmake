# Targets are listed here.
