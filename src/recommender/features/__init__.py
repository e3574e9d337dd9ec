"""What we knew: point-in-time features; every function takes the moment."""
