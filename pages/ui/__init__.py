"""What the pages share: frame, cached calls, component payloads and components."""
