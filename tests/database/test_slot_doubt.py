"""What cannot be proved is said at every `up` until it is acknowledged; and where it is kept."""
