"""HTTP technique: everything between a request's bytes and a command, and back. No word of the business."""
