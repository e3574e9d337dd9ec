"""The scoring service: requests in, recorded decisions out."""
