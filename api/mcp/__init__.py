"""A read-only server of the Model Context Protocol over decisions, reports and rules (``python -m api.mcp``)."""
