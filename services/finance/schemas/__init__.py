"""What callers of finance send and get. Form only: what an entry must be is the domain's business."""
