"""What callers of notifications send and get. Form only: what a subscription must be is the domain's business."""
