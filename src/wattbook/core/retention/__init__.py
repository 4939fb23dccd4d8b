"""For how long which data stays, and the records of what was removed."""
