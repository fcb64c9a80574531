"""Ways out of the house: mail servers and other people's HTTP endpoints. Technique only; must not know why."""
