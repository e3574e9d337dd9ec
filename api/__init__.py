"""The scoring API and the managers' pages; run from a checkout or image, not part of the wheel."""
