"""Ask the rows: the published trainings and the registered tests, packed for a page that computes in the browser."""
